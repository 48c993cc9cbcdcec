"""Fits the classifier of one gesture, and measures it by cross-validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.gestures.augment import variations
from gifcue.gestures.counts import Counts
from gifcue.gestures.negatives import Negatives
from gifcue.gestures.regression import SCALE_FLOOR, fit_classifier
from gifcue.gestures.samples import NONE, GestureError, HandSample, check_label, stack_features

MIN_SAMPLES = 10
# Parts of the cross-validation.
FOLDS = 5
# With similarities as inputs few weights matter, so less regularisation is needed than with plain features.
REGULARISATION = 0.003
# The threshold is the lowest at which at most this share of the negatives is taken for the gesture, within its range.
MAX_FALSE = 0.003
MIN_THRESHOLD, MAX_THRESHOLD = 0.5, 0.98
# A negative shows the gesture itself where it is as near to a sample as this share of the samples is to theirs.
SIMILAR_QUANTILE = 0.9
# At most this share of the negatives is left out for it, so that one unusual sample cannot exclude many.
MAX_SIMILAR = 0.04

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainedGesture:
    """A classifier, and its counts by cross-validation at its threshold.

    Attributes:
        classifier: fitted to all samples.
        positives: the user's samples of the gesture.
        others: the user's samples of other labels.
        negatives: the negatives that were used.
        similar: number of negatives that were left out, because they show the gesture.
    """

    classifier: GestureClassifier
    positives: Counts
    others: Counts
    negatives: Counts
    similar: int


@dataclass(frozen=True)
class _Scores:
    """Cross-validated probabilities of the gesture: of positives [P], others [O] and negatives [N]."""

    positives: Doubles
    others: Doubles
    negatives: Doubles


def train_gesture(
    label: str,
    positives: Sequence[HandSample],
    others: Sequence[HandSample],
    negatives: Negatives,
    *,
    model_labels: Collection[str] = (),
    seed: int = 1,
    max_false: float = MAX_FALSE,
) -> TrainedGesture:
    """Fits the classifier of one gesture. The same samples and seed give the same classifier.

    Args:
        label: the gesture's label.
        positives: samples of the gesture.
        others: the user's samples that do not show it; may be empty.
        negatives: other people's hands.
        model_labels: labels of the model, which the gesture's must differ from.
        seed: seed of the variations.
        max_false: share of the negatives, 0..1, that may be taken for the gesture.

    Raises:
        GestureError: there are fewer than `MIN_SAMPLES` samples, or the label is not allowed.
    """
    _check_new_label(label, model_labels)
    if len(positives) < MIN_SAMPLES:
        raise GestureError(
            f"{label}: expected {MIN_SAMPLES} samples or more, got {len(positives)}: capture more"
        )
    rng = np.random.default_rng(seed)
    features = negatives.features()
    similar = find_similar(stack_features(positives), features)
    used, groups = features[~similar], negatives.groups[~similar]
    scores = _cross_validate(label, positives, others, used, groups, rng)
    threshold = float(np.clip(np.quantile(scores.negatives, 1.0 - max_false), MIN_THRESHOLD, MAX_THRESHOLD))
    right = int((scores.positives >= threshold).sum())
    return TrainedGesture(
        shift_threshold(_fit(label, positives, others, used, rng), label, threshold),
        positives=Counts(right, 0, len(positives) - right),
        others=Counts(0, int((scores.others >= threshold).sum()), 0),
        negatives=Counts(0, int((scores.negatives >= threshold).sum()), 0),
        similar=int(similar.sum()),
    )


def _check_new_label(label: str, model_labels: Collection[str]) -> None:
    if check_label(label) == NONE:
        raise GestureError(
            f"expected the label of a gesture, got {NONE!r}, which is the label of other hands"
        )
    if label in model_labels:
        raise GestureError(f"expected a new label, got {label!r}, which is a label of the model")


def _cross_validate(
    label: str,
    positives: Sequence[HandSample],
    others: Sequence[HandSample],
    negatives: Floats,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> _Scores:
    """Probabilities of the gesture for each hand, from a classifier that was not fitted to it.

    The user's samples are held out in runs of neighbours, because consecutive frames are nearly equal. Negatives [N, F]
    are held out by their groups [N], so that no person is on both sides.
    """
    scores = _Scores(np.zeros(len(positives)), np.zeros(len(others)), np.zeros(len(negatives)))
    for fold in range(FOLDS):
        held_positives, held_others = _run(len(positives), fold), _run(len(others), fold)
        held_negatives = groups % FOLDS == fold
        classifier = _fit(
            label,
            _select(positives, ~held_positives),
            _select(others, ~held_others),
            negatives[~held_negatives],
            rng,
        )
        for part, samples, held in (
            (scores.positives, positives, held_positives),
            (scores.others, others, held_others),
        ):
            if held.any():
                part[held] = label_scores(classifier, stack_features(_select(samples, held)), label)
        scores.negatives[held_negatives] = label_scores(classifier, negatives[held_negatives], label)
    return scores


def _fit(
    label: str,
    positives: Sequence[HandSample],
    others: Sequence[HandSample],
    negatives: Floats,
    rng: np.random.Generator,
) -> GestureClassifier:
    hands = stack_features([copy for sample in positives for copy in variations(sample, rng)])
    counterexamples = [copy for sample in others for copy in variations(sample, rng)]
    parts = [hands, negatives, *([stack_features(counterexamples)] if counterexamples else [])]
    labels = [label] * len(hands) + [""] * (len(negatives) + len(counterexamples))
    return fit_classifier(
        np.concatenate(parts), labels, regularisation=REGULARISATION, examples=stack_features(positives)
    )


def shift_threshold(classifier: GestureClassifier, label: str, threshold: float) -> GestureClassifier:
    """The classifier with a shifted bias, so that a probability of `threshold` becomes its served threshold.

    All gestures then have the same threshold, and the limits of the reaction policy fit each of them.
    """
    weights = classifier.weights.copy()
    weights[-1, classifier.labels.index(label)] += np.float32(
        _logit(classifier.threshold) - _logit(threshold)
    )
    return replace(classifier, weights=weights)


def label_scores(classifier: GestureClassifier, features: Floats, label: str) -> Doubles:
    """The probability [N] of a label for features [N, F]."""
    return np.array([classifier.probabilities(row).get(label, 0.0) for row in features], np.float64)


def find_similar(positives: Floats, negatives: Floats) -> Flags:
    """Which negatives [N] show the gesture themselves, from features [P, F] of its samples and [N, F] of negatives.

    They are those as near to a sample as `SIMILAR_QUANTILE` of the samples are to their nearest neighbour, and at most
    the nearest `MAX_SIMILAR`. As counterexamples they would keep the classifier from learning the gesture.
    """
    scale = np.concatenate([positives, negatives]).std(axis=0) + SCALE_FLOOR
    among_positives = _nearest(positives / scale, positives / scale, same=True)
    distances = _nearest(negatives / scale, positives / scale, same=False)
    limit = min(np.quantile(among_positives, SIMILAR_QUANTILE), np.quantile(distances, MAX_SIMILAR))
    return np.asarray(distances <= limit)


def _nearest(rows: Floats, references: Floats, *, same: bool) -> Doubles:
    """The distance of each row to the nearest reference; with `same`, to the nearest other row."""
    squares = (rows**2).sum(1)[:, None] + (references**2).sum(1)[None, :] - 2 * rows @ references.T
    if same:
        np.fill_diagonal(squares, np.inf)
    return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0.0)), np.float64)


def _logit(probability: float) -> float:
    return float(np.log(probability / (1.0 - probability)))


def _select(samples: Sequence[HandSample], flags: Flags) -> list[HandSample]:
    return [sample for sample, flag in zip(samples, flags, strict=True) if flag]


def _run(count: int, fold: int) -> Flags:
    """[count]: one of `FOLDS` runs of neighbours."""
    places = np.arange(count)
    return np.asarray((places * FOLDS // max(count, 1)) == fold)
