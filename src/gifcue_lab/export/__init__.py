"""From trained weights to what is served: calibration, LiteRT files, a SavedModel and their metadata."""
