"""The laboratory: datasets, synthesis, training, evaluation and export. `gifcue` never imports it."""

import os

# TensorFlow reads this when it is imported, and every import of TensorFlow comes after that of this package. Only its
# errors are logged then.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
