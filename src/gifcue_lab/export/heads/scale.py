"""Keeps the scale of scores when a model's labels are fitted anew.

Reaction policies demand scores such as 0.85. After a new fit, as many faces with a label shall reach such a score as
before, so that a policy finds what it found. What the fit gains then shows as fewer other faces that reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]

# Scores where the shares are compared: about those that the presets demand (`gifcue.reactions.preset_values`).
SCORES = (0.5, 0.7, 0.85, 0.9, 0.93, 0.95)
# The slope of the smooth step that stands for a threshold, which makes the shares change gradually.
STEEPNESS = 3.0
# How much the factor's logarithm counts against the shares.
FACTOR_PULL = 0.2


def kept_scale(logits: Floats, truth: Integers, served: Sequence[Floats]) -> tuple[float, Floats]:
    """A factor and a shift for logits, by which faces with a label get scores like those that were served.

    Args:
        logits: of the new fit [N, classes], for faces that it has not seen.
        truth: their classes [N].
        served: by class from 1 on, the scores that the model before gives to faces of that class [faces], 0..1. They
            need not be the same faces.

    Returns:
        The factor, and the shift of each class [classes], 0 for class 0.
    """
    labels = range(1, logits.shape[1])
    wanted = [_shares(scores) for scores in served]

    def loss(values: npt.NDArray[np.float64]) -> float:
        scaled = np.exp(values[0]) * logits
        scaled[:, 1:] += values[1:]
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        shown = powers / powers.sum(1, keepdims=True)
        got = [_shares(shown[truth == label, label]) for label in labels]
        # The pull keeps the factor moderate: scores that are all 0 or 1 leave a policy nothing to choose.
        return float(((np.array(got) - np.array(wanted)) ** 2).sum() + FACTOR_PULL * values[0] ** 2)

    start = np.zeros(logits.shape[1])
    found = minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 400, "xatol": 1e-3, "fatol": 1e-4}
    )
    shift = np.concatenate([[0.0], found.x[1:]]).astype(np.float32)
    return float(np.exp(found.x[0])), shift


def _shares(scores: Floats) -> npt.NDArray[np.float64]:
    """The share of scores that reach each of `SCORES`, smoothly."""
    above = _logit(scores)[:, None] - _logit(np.array(SCORES))
    return np.asarray((1.0 / (1.0 + np.exp(-STEEPNESS * above))).mean(0), np.float64)


def _logit(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    clipped = np.clip(scores, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))
