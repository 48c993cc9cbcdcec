"""Fits region scores and class probabilities to the truth.

A region's score is a logistic regression on the detector's score and the crop network's presence logit. Class
probabilities share one temperature for all classes of a kind. Biases for each class were tried and made it worse: the
held-out people are too few (docs/decisions/0012).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from gifcue.detect.metadata import Calibration, Rescoring

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Weight of the L2 penalty against the mean log loss. It covers the intercept as well.
L2_PENALTY = 1e-3
# Scores are clipped to this distance from 0 and 1, as in serving.
CLIP = 1e-4
# Factors that logits may be multiplied by. A finer step changes the log loss less than the choice of people does.
FACTORS = tuple(round(float(factor), 2) for factor in np.arange(0.2, 1.21, 0.05))
# Probabilities are clipped to this, so that a single confident mistake does not decide the fit.
MIN_PROBABILITY = 1e-6


def fit_rescoring(found: Doubles, presence: Doubles, real: npt.NDArray[np.bool_]) -> Rescoring:
    """Fits the score of a region.

    Args:
        found: the detector's scores [N], 0..1.
        presence: the crop network's presence logits [N].
        real: whether there is a face or hand [N]; both values must occur.
    """
    clipped = np.clip(found, CLIP, 1 - CLIP)
    features = np.stack([np.log(clipped / (1 - clipped)), presence, np.ones(len(found))], 1)
    # The column of ones is the intercept; scikit-learn's own would not be penalised.
    model = LogisticRegression(C=1 / (L2_PENALTY * len(found)), fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(features, real)
    return Rescoring(*(round(float(weight), 4) for weight in model.coef_[0]))


def fit_temperature(
    landmark_logits: Floats, appearance_logits: Floats, truth: npt.NDArray[np.intp]
) -> Calibration:
    """Finds the factor for the logits of both classifiers that makes the true classes most probable.

    Args:
        landmark_logits: of the landmark classifier [N, classes].
        appearance_logits: of the appearance classifier [N, classes].
        truth: the true classes [N].
    """
    classes = landmark_logits.shape[1]

    def calibration(factor: float) -> Calibration:
        return Calibration(factor, factor, (0.0,) * classes)

    def loss(factor: float) -> float:
        probabilities = calibration(factor).probabilities(landmark_logits, appearance_logits)
        true = probabilities[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(true, MIN_PROBABILITY)).mean())

    return calibration(min(FACTORS, key=loss))
