"""Precision and recall of a gesture classifier on samples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.gestures.counts import Counts
from gifcue.gestures.fit import label_scores
from gifcue.gestures.samples import HandSample, stack_features


@dataclass(frozen=True)
class GestureEvaluation:
    """The result at the served threshold.

    Attributes:
        counts: true positives, false positives and false negatives.
        missed: source and probability of each false negative.
        wrong: source and probability of each false positive.
    """

    counts: Counts
    missed: tuple[tuple[str, float], ...]
    wrong: tuple[tuple[str, float], ...]


def evaluate_classifier(
    classifier: GestureClassifier,
    label: str,
    positives: Sequence[HandSample],
    negatives: Sequence[HandSample],
) -> GestureEvaluation:
    """Evaluates a label of a classifier on hands that show the gesture, and on hands that do not. Both may be empty."""
    missed = [
        (sample.source, float(score))
        for sample, score in zip(positives, _scores(classifier, label, positives), strict=True)
        if score < classifier.threshold
    ]
    wrong = [
        (sample.source, float(score))
        for sample, score in zip(negatives, _scores(classifier, label, negatives), strict=True)
        if score >= classifier.threshold
    ]
    counts = Counts(len(positives) - len(missed), len(wrong), len(missed))
    return GestureEvaluation(counts, tuple(missed), tuple(wrong))


def _scores(
    classifier: GestureClassifier, label: str, samples: Sequence[HandSample]
) -> npt.NDArray[np.float64]:
    return label_scores(classifier, stack_features(samples), label) if samples else np.zeros(0)
