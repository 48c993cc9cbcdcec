"""Fits of calibration against independent computations of the same objectives."""

from __future__ import annotations

import numpy as np
import pytest

from gifcue_lab.export.score_fit import FACTORS, L2_PENALTY, fit_rescoring, fit_temperature


def noisy_scores(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detector scores, presence logits and whether there is something, all related."""
    rng = np.random.default_rng(seed)
    real = rng.random(count) < 0.6
    found = 1 / (1 + np.exp(-rng.normal(np.where(real, 1.2, -1.0), 1.0)))
    presence = rng.normal(np.where(real, 3.0, -2.0), 3.0)
    return found, presence, real


def newton(features: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The minimum of the mean log loss plus an L2 penalty on all weights."""
    weights = np.zeros(features.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (chance - real) / len(real) + L2_PENALTY * weights
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features / len(real)
        weights = weights - np.linalg.solve(curvature + L2_PENALTY * np.eye(len(weights)), gradient)
    return weights


def adam(features: np.ndarray, real: np.ndarray, steps: int = 1500) -> np.ndarray:
    """The same minimum by Adam with a falling step, which fitted the scores of the shipped models."""
    weights = np.array([1.0, 0.2, 0.0])
    mean, square = np.zeros(3), np.zeros(3)
    for step in range(1, steps + 1):
        slope = features.T @ (1 / (1 + np.exp(-features @ weights)) - real) / len(real) + 1e-3 * weights
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        size = 0.05 * (1 - step / (steps + 1))
        weights = weights - size * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights


@pytest.mark.parametrize("count", [60, 2000])
@pytest.mark.parametrize("fit", [newton, adam])
def test_rescoring_is_the_penalised_logistic_regression(fit: object, count: int) -> None:
    found, presence, real = noisy_scores(count, seed=count)
    clipped = np.clip(found, 1e-4, 1 - 1e-4)
    features = np.stack([np.log(clipped / (1 - clipped)), presence, np.ones(count)], 1)
    expected = fit(features, real.astype(float))  # type: ignore[operator]
    fitted = fit_rescoring(found, presence, real)
    assert (fitted.found, fitted.present, fitted.bias) == tuple(round(float(each), 4) for each in expected)


@pytest.mark.parametrize("factor", [0.4, 0.85])
def test_the_temperature_is_the_one_that_generated_the_labels(factor: float) -> None:
    rng = np.random.default_rng(1)
    by_landmarks, by_appearance = rng.normal(0, 3, (2, 20_000, 4)).astype(np.float32)
    logits = factor * (by_landmarks + by_appearance)
    # The Gumbel maximum is a draw from the softmax.
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    fitted = fit_temperature(by_landmarks, by_appearance, truth)
    assert fitted.landmark_scale == fitted.appearance_scale == factor
    assert factor in FACTORS
    assert set(fitted.bias) == {0.0}
