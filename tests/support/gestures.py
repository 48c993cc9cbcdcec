"""Small gesture classifiers, without training."""

from __future__ import annotations

import numpy as np

from gifcue.detect.gesture_classifier import POINTS, GestureClassifier, hand_features
from gifcue.gestures.taught import TaughtGesture

FEATURES = len(hand_features(np.zeros((POINTS, 3), np.float32)))


def constant_classifier(*labels: str, probability: float = 0.9) -> GestureClassifier:
    """A classifier that gives every hand the first label with this probability."""
    weights = np.zeros((FEATURES + 1, 1 + len(labels)), np.float32)
    weights[-1, 1] = np.log(probability / (1.0 - probability))
    weights[-1, 2:] = -20.0
    return GestureClassifier(
        ("", *labels), np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32), weights
    )


def gesture(*labels: str, gif: str | None = None, probability: float = 0.9) -> TaughtGesture:
    """The same as a gesture that is served."""
    return TaughtGesture(constant_classifier(*labels, probability=probability), gif)
