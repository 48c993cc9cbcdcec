"""Fits the classifier of the extra gestures: a network with one hidden layer on the features of a hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import SERVED_THRESHOLD, GestureClassifier
from gifcue.gestures.augment import variations
from gifcue.gestures.fit import shift_threshold
from gifcue.gestures.regression import SCALE_FLOOR
from gifcue.gestures.samples import HandSample, stack_features
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.gestures.hands import Hands
from gifcue_lab.gestures.labels import NONE, UNKNOWN, Labels

# What the data set calls an open palm is the pose of a raised hand. Whether it is high and still is for the policy.
POSES = {"wave": "raised_hand"}
# What the classifier tells apart. `EXTRA_GESTURES` are those that are accurate enough to be offered.
GESTURES = ("thumbs_down", "rock", "call_me", "fist", "raised_hand", "victory")
# Gestures of the model, which compete for a hand and are not served by this classifier.
OF_THE_MODEL = ("ok_hand", "thumbs_up")
CLASSES = (NONE, *GESTURES, *OF_THE_MODEL)
FOLDS = 5
HIDDEN = 48
EPOCHS = 40
PENALTY = 0.003
# Rows of each class that the network is fitted to: rare gestures are varied more often.
ROWS = 6000
MOST_VARIATIONS = 40
# A gesture needs so many groups, or it cannot be told from the people who show it.
MIN_GROUPS = 3
# The range in which thresholds are sought.
THRESHOLDS = np.linspace(0.05, 0.98, 94)
# Decimals of the weights in the file. The rounding is far below the error of the landmarks.
DECIMALS = 4

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Trained:
    """The classifier, and for each gesture the threshold that became its served one, and how many hands and groups
    showed it.
    """

    classifier: GestureClassifier
    thresholds: dict[str, float]
    hands: dict[str, int]
    groups: dict[str, int]


def poses_of(hands: Hands, labels: Labels) -> Texts:
    """[N]: the class of each hand, one of `CLASSES`, or "unknown"."""
    said = hands.labelled(labels)
    wrong = set(said.tolist()) - {*CLASSES, *POSES, UNKNOWN}
    if wrong:
        raise DatasetError(
            f"expected {', '.join((*CLASSES, *POSES, UNKNOWN))}, got {', '.join(sorted(wrong))}"
        )
    return np.array([POSES.get(label, label) for label in said.tolist()])


def train(hands: Hands, labels: Labels, *, seed: int = 1) -> Trained:
    """Fits the classifier to the hands that were found. The same hands, labels and seed give the same classifier.

    Thresholds are chosen on groups that were held out.

    Raises:
        DatasetError: a label is not known, or a gesture is shown in fewer than `MIN_GROUPS` groups.
    """
    poses = poses_of(hands, labels)
    used = hands.is_found & (poses != UNKNOWN)
    hands, poses = hands.only(used), poses[used]
    groups = {name: len(set(hands.groups[poses == name].tolist())) for name in CLASSES}
    few = [f"{name} in {count}" for name, count in groups.items() if count < MIN_GROUPS]
    if few:
        raise DatasetError(f"expected each gesture in {MIN_GROUPS} groups or more, got {', '.join(few)}")
    rows = _vary(hands, poses, seed)
    scores = _held_out_scores(hands, poses, rows, seed)
    thresholds = {name: _threshold(scores[:, CLASSES.index(name)], poses == name) for name in GESTURES}
    classifier = _fit(rows.features, rows.shown, seed)
    for name, threshold in thresholds.items():
        classifier = shift_threshold(classifier, name, threshold)
    return Trained(
        _rounded(classifier),
        thresholds,
        {name: int((poses == name).sum()) for name in GESTURES},
        {name: groups[name] for name in GESTURES},
    )


def folds_of(hands: Hands, seed: int) -> npt.NDArray[np.int64]:
    """[N]: the number of each hand's fold. The hands of a group are in the same one."""
    names = sorted(set(hands.groups.tolist()))
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % FOLDS, strict=True))
    return np.array([fold_of[group] for group in hands.groups.tolist()], np.int64)


def _held_out_scores(hands: Hands, poses: Texts, rows: _Rows, seed: int) -> Floats:
    """[N, C]: the probability of each class for each hand, by a classifier that was not fitted to its group."""
    folds = folds_of(hands, seed)
    features = hands.features()
    scores = np.zeros((len(hands), len(CLASSES)), np.float32)
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            kept = ~held[rows.hands]
            scores[held] = class_scores(_fit(rows.features[kept], rows.shown[kept], seed), features[held])
    return scores


def class_scores(classifier: GestureClassifier, features: Floats) -> Floats:
    """[N, C]: the probability of every class, also of those that are not served, for features [N, F]."""
    inputs = (features - classifier.mean) / classifier.scale
    ones = np.ones((len(inputs), 1), np.float32)
    units = np.maximum(np.hstack([inputs, ones]) @ classifier.hidden, 0.0)
    logits = np.hstack([units, ones]) @ classifier.weights
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


class _Rows(NamedTuple):
    """What a classifier is fitted to: features [R, F], the number of the class [R], and that of the hand [R]."""

    features: Floats
    shown: npt.NDArray[np.int64]
    hands: npt.NDArray[np.int64]


def _vary(hands: Hands, poses: Texts, seed: int) -> _Rows:
    """About `ROWS` variations of the hands of each class, every hand among them."""
    rng = np.random.default_rng(seed)
    samples = hands.samples()
    varied: list[HandSample] = []
    shown: list[int] = []
    numbers: list[int] = []
    for place, name in enumerate(CLASSES):
        chosen = np.flatnonzero(poses == name).tolist()
        times = int(np.clip(round(ROWS / max(1, len(chosen))), 2, MOST_VARIATIONS))
        for number in chosen:
            varied += variations(samples[number], rng, times)
            shown += [place] * times
            numbers += [number] * times
    return _Rows(stack_features(varied), np.array(shown, np.int64), np.array(numbers, np.int64))


def _fit(features: Floats, shown: npt.NDArray[np.int64], seed: int) -> GestureClassifier:
    from sklearn.neural_network import MLPClassifier

    mean, scale = features.mean(axis=0), features.std(axis=0) + np.float32(SCALE_FLOOR)
    network = MLPClassifier((HIDDEN,), alpha=PENALTY, batch_size=256, random_state=seed)
    inputs, classes = (features - mean) / scale, np.arange(len(CLASSES))
    for _ in range(EPOCHS):
        network.partial_fit(inputs, shown, classes=classes)
    layers = [
        np.vstack([weights, bias]).astype(np.float32)
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
    ]
    served = tuple(name if name in GESTURES else "" for name in CLASSES)
    return GestureClassifier(
        served, mean.astype(np.float32), scale.astype(np.float32), layers[1], hidden=layers[0]
    )


def _threshold(scores: Floats, shown: npt.NDArray[np.bool_]) -> float:
    """The threshold of the best F1, from the probabilities [N] of a gesture and which hands show it [N]."""
    taken = scores[None] >= THRESHOLDS[:, None]
    f1 = 2.0 * (taken & shown).sum(axis=1) / (taken.sum(axis=1) + shown.sum())
    return float(THRESHOLDS[f1.argmax()])


def _rounded(classifier: GestureClassifier) -> GestureClassifier:
    mean, scale, weights, hidden = (
        np.asarray(np.round(part, DECIMALS), np.float32)
        for part in (classifier.mean, classifier.scale, classifier.weights, classifier.hidden)
    )
    return GestureClassifier(classifier.labels, mean, scale, weights, SERVED_THRESHOLD, hidden=hidden)


def write_classifier(classifier: GestureClassifier, path: Path) -> None:
    """Writes the classifier with `DECIMALS` decimals."""
    document = {
        name: np.round(np.asarray(value, np.float64), DECIMALS).tolist()
        if isinstance(value, list) and name != "labels"
        else value
        for name, value in classifier.as_document().items()
    }
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
