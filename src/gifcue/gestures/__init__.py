"""Gestures of your own: a new label for hands, from a few dozen samples, with the networks unchanged.

    capture      hands from recordings, pictures and cameras
    samples      samples of a gesture on disk, as landmarks without pictures
    negatives    landmarks of other people's hands, which are part of the package
    augment      variations of a sample
    regression   fits a gesture classifier to features
    fit          fits the classifier of one gesture, with cross-validation
    evaluation   precision and recall of a classifier on further samples
    counts       precision, recall and F1 from counts
    taught       a gesture as it is served, and its file
    folder       the folder of gestures, which several servers may share
    library      the gestures in service
    extra        the extra gestures, which come with gifcue
    candidates   gestures that were trained and are not kept yet
    training     trains beside the event loop, in a process of its own
    trainer      that process

`gifcue.detect.gesture_classifier` runs the classifiers. These modules need numpy, OpenCV and PyAV, and none of the
training libraries.
"""
