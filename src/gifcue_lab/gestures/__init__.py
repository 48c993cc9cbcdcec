"""The extra gestures (`gifcue.gestures.extra`): from labelled pictures to the shipped classifier and its figures.

    labels       which hand shows which gesture, as a file that holds no picture
    hands        the labelled hands of a data set with the landmarks that a model finds
    train        fits the classifier, with thresholds from groups that were held out
    evaluate     F1 by gesture with an interval, and the hands that are taken for it by mistake
    sheet        contact sheets, to look at labels and errors

`gifcue-lab gestures` runs them.
"""
