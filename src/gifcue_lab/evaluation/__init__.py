"""Measures a detector on labelled pictures.

`truth` reads the labels, `run` runs a detector on the pictures, `predictions` reads and writes detections,
`matching` compares the two for one label and `matches` for a picture. `metrics` computes the report. `charts` and
`error_gallery` draw it, `text` prints it and `report` writes its files. Reactions on clips: `clips`.
"""
