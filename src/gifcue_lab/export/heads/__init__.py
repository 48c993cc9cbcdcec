"""Fits what turns a face's features into its labels to new people, without training a convolution.

`faces` collects the faces as the detector finds them, `last_layers` fits and writes the end of the face network,
`hands` fits the regression on the hands at a face (`gifcue.detect.relation`), and `fit` does all of it for a model.
"""
