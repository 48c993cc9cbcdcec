"""A light head from a user's samples and strangers' hands, and what it is worth on samples it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier, fit_head
from gifcue.gestures.negatives import Negatives
from gifcue.gestures.samples import NONE, HandSample, check_label
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.regions import LABELS
from gifcue_lab.evaluation.matching import Counts

MIN_SAMPLES = 10
FOLDS = 5
# Each sample is shown so often, turned, seen aslant, and with the landmarks off by as much as a network errs.
COPIES = 16
# A hand is known by its likeness to the samples: few numbers to fit, that need little holding back.
PULL = 0.003
TURN_DEG = 12.0
SLANT = 0.12
JITTER = 0.03
# The threshold is the lowest at which no more than this share of strangers' hands passes, within reason.
MAX_FALSE = 0.003
LOWEST, HIGHEST = 0.5, 0.98
# The share of a gesture's own samples that are as near to each other as a stranger's hand must be to count
# as one.
ALIKE = 0.9
ALIKE_AT_MOST = 0.04

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trained:
    """A head, and figures by cross-validation at its threshold.

    `positives` counts the user's samples of the gesture, `own` that of other labels, `strangers` the
    shipped hands; of these `alike` were left out, because they make the very gesture.
    """

    head: GestureClassifier
    positives: Counts
    own: Counts
    strangers: Counts
    alike: int


def train_gesture(
    label: str,
    positives: Sequence[HandSample],
    others: Sequence[HandSample],
    strangers: Negatives,
    *,
    seed: int = 1,
    max_false: float = MAX_FALSE,
) -> Trained:
    """Fit a head for `label`.

    `others` are the user's own hands that do not make it. Samples are held out in runs of neighbours, since
    frames that follow each other are nearly the same. The same samples and seed give the same head. Raises
    `DatasetError` for too few samples, or a label that cannot be one.
    """
    if check_label(label) == NONE:
        raise DatasetError(
            f"expected the name of a gesture, got {NONE!r}, which names the hands that make none"
        )
    if label in LABELS:
        raise DatasetError(f"expected a new label, got {label!r}, which is the model's own")
    if len(positives) < MIN_SAMPLES:
        raise DatasetError(
            f"{label}: expected {MIN_SAMPLES} samples or more, got {len(positives)}: capture more"
        )
    rng = np.random.default_rng(seed)
    hands, theirs = _features(positives), strangers.features()
    mine = _features(others) if others else np.zeros((0, hands.shape[1]), np.float32)
    alike = look_alike(hands, theirs)
    kept, groups = theirs[~alike], strangers.groups[~alike]
    said, said_mine, said_theirs = np.zeros(len(hands)), np.zeros(len(mine)), np.zeros(len(kept))
    for fold in range(FOLDS):
        out, out_mine = _run(len(hands), fold), _run(len(mine), fold)
        out_theirs = groups % FOLDS == fold
        train = [sample for sample, held in zip(positives, out, strict=True) if not held]
        train_mine = [sample for sample, held in zip(others, out_mine, strict=True) if not held]
        head = _fit(label, train, train_mine, kept[~out_theirs], rng)
        said[out] = scores(head, hands[out], label)
        said_mine[out_mine] = scores(head, mine[out_mine], label)
        said_theirs[out_theirs] = scores(head, kept[out_theirs], label)
    threshold = float(np.clip(np.quantile(said_theirs, 1.0 - max_false), LOWEST, HIGHEST))
    right = int((said >= threshold).sum())
    return Trained(
        moved_to(_fit(label, positives, others, kept, rng), label, threshold),
        positives=Counts(right, 0, len(said) - right),
        own=Counts(0, int((said_mine >= threshold).sum()), 0),
        strangers=Counts(0, int((said_theirs >= threshold).sum()), 0),
        alike=int(alike.sum()),
    )


def moved_to(head: GestureClassifier, label: str, threshold: float) -> GestureClassifier:
    """The same head with its bias moved, so that what was `threshold` is the threshold that heads are served at.

    So every taught gesture means the same by a score, and the reaction policy's own limits fit it.
    """
    weights = head.weights.copy()
    weights[-1, head.labels.index(label)] += np.float32(_logit(head.threshold) - _logit(threshold))
    return replace(head, weights=weights)


def _logit(chance: float) -> float:
    return float(np.log(chance / (1.0 - chance)))


def scores(head: GestureClassifier, features: Floats, label: str) -> npt.NDArray[np.float64]:
    """The probability of a label for each row of features [N, F]."""
    return np.array([head.probabilities(row).get(label, 0.0) for row in features], np.float64)


def look_alike(hands: Floats, strangers: Floats) -> Flags:
    """Which strangers' hands [N, F] make the gesture themselves, the nearest 4 % at most.

    They do where they are as near to a sample of it as nine in ten of the samples are to their own next
    neighbour. Taught as counterexamples they would take the gesture away again. The limit keeps one odd
    sample from claiming every hand there is.
    """
    scale = np.concatenate([hands, strangers]).std(axis=0) + 0.05
    near = _nearest(hands / scale, hands / scale, apart=True)
    distances = _nearest(strangers / scale, hands / scale, apart=False)
    return np.asarray(distances <= min(np.quantile(near, ALIKE), np.quantile(distances, ALIKE_AT_MOST)))


def _nearest(one: Floats, other: Floats, *, apart: bool) -> npt.NDArray[np.float64]:
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2 * one @ other.T
    if apart:
        np.fill_diagonal(squares, np.inf)
    return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0.0)), np.float64)


def _fit(
    label: str,
    positives: Sequence[HandSample],
    others: Sequence[HandSample],
    strangers: Floats,
    rng: np.random.Generator,
) -> GestureClassifier:
    hands = _features([copy for sample in positives for copy in varied(sample, rng)])
    mine = [copy for sample in others for copy in varied(sample, rng)]
    parts = [hands, strangers, *([_features(mine)] if mine else [])]
    labels = [label] * len(hands) + [""] * (len(strangers) + len(mine))
    return fit_head(np.concatenate(parts), labels, pull=PULL, examples=_features(positives))


def varied(sample: HandSample, rng: np.random.Generator, copies: int = COPIES) -> list[HandSample]:
    """The sample itself, and copies of it as another moment, hand or camera might show it."""
    made = [sample]
    points = sample.landmarks.copy()
    points[:, [0, 2]] *= np.float32(sample.aspect)
    size = float(np.ptp(points[:, :2], axis=0).max())
    middle = points.mean(axis=0)
    for _ in range(copies - 1):
        turn = np.radians(rng.uniform(-TURN_DEG, TURN_DEG))
        cos, sin = np.cos(turn), np.sin(turn)
        flat = np.array([[cos, sin], [-sin, cos]]) * (1.0 + rng.uniform(-SLANT, SLANT, 2))
        moved = points - middle
        moved[:, :2] = moved[:, :2] @ flat
        moved += rng.normal(0.0, JITTER * size, moved.shape) * rng.uniform(0.0, 1.0)
        made.append(HandSample(np.asarray(moved, np.float32), 1.0, sample.source))
    return made


def _features(samples: Sequence[HandSample]) -> Floats:
    return np.stack([sample.features() for sample in samples])


def _run(count: int, fold: int) -> Flags:
    """[count]: a run of neighbours, one fifth of them."""
    places = np.arange(count)
    return np.asarray((places * FOLDS // max(count, 1)) == fold)
