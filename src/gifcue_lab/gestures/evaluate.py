"""Measures the classifier of the extra gestures on people that it was not fitted to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.gestures.counts import Counts
from gifcue_lab.evaluation.intervals import Bootstrap, Interval
from gifcue_lab.gestures.hands import Hands, join_hands
from gifcue_lab.gestures.labels import UNKNOWN, Labels
from gifcue_lab.gestures.train import FOLDS, GESTURES, folds_of, poses_of, train

# Other hands of which the false ones are counted, drawn by `SEED`.
OTHERS = 1000
SEED = 1

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GestureFigures:
    """How well one gesture is found.

    Attributes:
        hands: how many show it, of `groups` groups. A hand that the model does not find is missed.
        found: how many of them are taken for it.
        f1: with all other hands; `f1_interval` is the 95 % interval from a bootstrap over groups, None where it would
            say nothing.
        others: how many hands do not show it, and `wrong` how many of them are taken for it.
        wrong_of_1000: the same of `OTHERS` hands that were drawn.
        by_group: hands and found ones, by group.
    """

    hands: int
    groups: int
    found: int
    f1: float | None
    f1_interval: Interval | None
    others: int
    wrong: int
    wrong_of_1000: int
    by_group: dict[str, tuple[int, int]]

    def as_json(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Judged:
    """Every hand with what it shows [N], and the probability of each gesture [N, G]; 0 where it is not found."""

    hands: Hands
    poses: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float64]


def judge(classifier: GestureClassifier, hands: Hands, labels: Labels) -> Judged:
    """Runs the classifier as it is served, on the hands whose gesture is known."""
    poses = poses_of(hands, labels)
    known = poses != UNKNOWN
    hands, poses = hands.only(known), poses[known]
    scores = np.zeros((len(hands), len(GESTURES)))
    for place, features in zip(
        np.flatnonzero(hands.is_found), hands.only(hands.is_found).features(), strict=True
    ):
        found = classifier.probabilities(features)
        scores[place] = [found.get(name, 0.0) for name in GESTURES]
    return Judged(hands, poses, scores)


def judge_held_out(hands: Hands, labels: Labels, *, seed: int = SEED) -> Judged:
    """Judges every hand by a classifier that was made without its fold, thresholds included.

    For gestures that too few people show in a split of their own.
    """
    folds = folds_of(hands, seed)
    parts = []
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            parts.append(
                judge(train(hands.only(~held), labels, seed=seed).classifier, hands.only(held), labels)
            )
    return Judged(
        join_hands([part.hands for part in parts]),
        np.concatenate([part.poses for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def errors(judged: Judged, threshold: float, gesture: str) -> tuple[list[int], list[str]]:
    """The hands that are taken for a gesture by mistake, likeliest first, then those that show it and are missed; and
    for each a caption: what it shows and its probability.
    """
    scores = judged.scores[:, GESTURES.index(gesture)]
    shown, taken = judged.poses == gesture, scores >= threshold
    wrong = sorted(np.flatnonzero(taken & ~shown).tolist(), key=lambda number: -scores[number])
    missed = np.flatnonzero(shown & ~taken).tolist()
    chosen = [*wrong, *missed]
    return chosen, [f"{judged.poses[number]} {scores[number]:.2f}" for number in chosen]


def evaluate(judged: Judged, threshold: float) -> dict[str, GestureFigures]:
    """The figures of each gesture, at the threshold at which it is served."""
    return {
        name: _figures(judged, judged.poses == name, judged.scores[:, place] >= threshold)
        for place, name in enumerate(GESTURES)
    }


def _figures(judged: Judged, shown: Flags, taken: Flags) -> GestureFigures:
    groups = judged.hands.groups
    names, numbers = np.unique(groups, return_inverse=True)
    # [groups, 3]: right, wrong and missed hands.
    counts = np.zeros((len(names), 3))
    for column, flags in enumerate((shown & taken, ~shown & taken, shown & ~taken)):
        counts[:, column] = np.bincount(numbers, flags, len(names))
    right, wrong, _ = (int(count) for count in counts.sum(axis=0))
    interval = Bootstrap().draw(len(names)).f1(*counts.T)
    others = np.flatnonzero(~shown)
    sample = np.random.default_rng(SEED).permutation(others)[:OTHERS]
    of = {str(name): groups == name for name in np.unique(groups[shown])}
    return GestureFigures(
        hands=int(shown.sum()),
        groups=len(of),
        found=right,
        f1=_f1(counts.sum(axis=0)),
        f1_interval=interval,
        others=len(others),
        wrong=wrong,
        wrong_of_1000=int(taken[sample].sum()),
        by_group={
            name: (int((shown & where).sum()), int((shown & taken & where).sum()))
            for name, where in of.items()
        },
    )


def _f1(counts: npt.NDArray[np.float64]) -> float | None:
    right, wrong, missed = (int(count) for count in counts)
    return Counts(right, wrong, missed).f1 if right + missed else None
