"""Fits a gesture classifier: softmax regression by accelerated gradient descent, with numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier, classifier_inputs

STEPS = 400
# Added to the standard deviation of each feature, so that a nearly constant one is not magnified.
SCALE_FLOOR = 0.05

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def fit_classifier(
    features: Floats, labels: Sequence[str], *, regularisation: float = 0.01, examples: Floats | None = None
) -> GestureClassifier:
    """Fits a classifier. Every class has the same weight in the loss, however many samples it has.

    Args:
        features: float32 [N, F].
        labels: the label of each row, "" for none of the gestures.
        regularisation: weight of the L2 penalty.
        examples: features [K, F]; with them the regression is on similarities to these examples.

    Raises:
        ValueError: there are fewer than two different labels.
    """
    names = ("", *sorted({label for label in labels if label}))
    present = set(labels)
    if len(present) < 2:
        raise ValueError(f"labels: expected samples of a gesture and of none, got only {sorted(present)}")
    mean = features.mean(0)
    scale = features.std(0) + np.float32(SCALE_FLOOR)
    known = np.zeros((0, features.shape[1]), np.float32) if examples is None else examples
    inputs = classifier_inputs(features, mean, scale, known)
    with_bias = np.concatenate([inputs, np.ones((len(features), 1))], 1).astype(np.float64)
    targets = np.array([[float(label == name) for name in names] for label in labels])
    weights = _minimise(with_bias, targets, regularisation)
    return GestureClassifier(
        names,
        np.asarray(mean, np.float32),
        np.asarray(scale, np.float32),
        weights.astype(np.float32),
        examples=np.asarray(known, np.float32),
    )


def _minimise(inputs: Doubles, targets: Doubles, regularisation: float) -> Doubles:
    """Weights [D, C] of the least regularised cross-entropy, for inputs [N, D] and one-hot targets [N, C]."""
    class_sizes = targets.sum(0)
    sample_weights = (targets / np.maximum(class_sizes, 1.0)).sum(1)
    sample_weights /= sample_weights.sum()
    weights = np.zeros((inputs.shape[1], targets.shape[1]))
    velocity = np.zeros_like(weights)
    # The problem is convex, and Nesterov's method gives the same result every time. The step is below the inverse of
    # the largest curvature, so that it converges.
    step_size = 1.0 / (0.5 * float((sample_weights[:, None] * inputs**2).sum()) + regularisation)
    for step in range(STEPS):
        ahead = weights + step / (step + 3) * velocity
        logits = inputs @ ahead
        powers = np.exp(logits - logits.max(1, keepdims=True))
        errors = (powers / powers.sum(1, keepdims=True) - targets) * sample_weights[:, None]
        moved = ahead - step_size * (inputs.T @ errors + regularisation * ahead)
        velocity, weights = moved - weights, moved
    return weights
