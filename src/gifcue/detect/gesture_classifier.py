"""Classifiers of users' own gestures: which gesture a hand makes, from its landmarks alone.

A gesture classifier serves a gesture that the networks were not trained on. It needs numpy only. It is fitted by
`gifcue.gestures`; this module reads and runs it. Its features do not depend on the distance, the place or the side of
the hand. They do depend on its rotation, because thumbs up is not thumbs down.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.trust import read_at_most
from gifcue.errors import ModelError

Floats = npt.NDArray[np.float32]

FORMAT = 1
# Bounds of a file. `gifcue gesture train` writes about 2 kB for each sample.
MAX_FILE_BYTES = 16 << 20
MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 64
MAX_HIDDEN = 256
# Landmarks of a hand, in MediaPipe's order.
POINTS = 21
WRIST = 0
KNUCKLES = (5, 9, 13, 17)
FINGERTIPS = (4, 8, 12, 16, 20)
FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
# The same as arrays, and the pairs of different fingertips: this runs for every hand of every frame.
_KNUCKLES, _TIPS, _JOINTS = np.array(KNUCKLES), np.array(FINGERTIPS), np.array(FINGERS)
_FIRST, _SECOND = np.tril_indices(len(FINGERTIPS), -1)
# Probability from which a gesture counts as detected. It is higher than a network's usual threshold, because a
# classifier is fitted to few people.
SERVED_THRESHOLD = 0.7
# The similarity to an example is SIMILARITY_SCALE * exp(-SIMILARITY_DECAY * d), where d is the mean squared difference
# of the standardised features. Measured on peace signs: results do not change for decays from 1 to 2.
SIMILARITY_DECAY = 1.5
SIMILARITY_SCALE = 3.0


def hand_features(landmarks: Floats, aspect: float = 1.0) -> Floats:
    """The features [F] of one hand.

    Args:
        landmarks: float32 [21, 3] as in `Region`, in shares of the frame.
        aspect: width of the frame divided by its height.

    Returns:
        float32 [F] in units of the palm: landmarks from the wrist, distances between fingertips, distances from the
        wrist to the fingertips, and the straightness of each finger, 0..1.
    """
    points = np.asarray(landmarks, np.float32).copy()
    points[:, [0, 2]] *= np.float32(aspect)
    points -= points[WRIST]
    points /= _lengths(points[_KNUCKLES, :2]).mean() + np.float32(1e-6)
    first, last = points[KNUCKLES[0], :2], points[KNUCKLES[-1], :2]
    # Hands of one side are mirrored, so that a gesture has the same features on both.
    if first[0] * last[1] - first[1] * last[0] < 0:
        points[:, 0] = -points[:, 0]
    tips = points[_TIPS, :2]
    tip_distances = _lengths(tips[_FIRST] - tips[_SECOND])
    wrist_distances = _lengths(tips)
    joints = points[_JOINTS, :2]
    along = _lengths(joints[:, 1:] - joints[:, :-1]).sum(axis=1) + np.float32(1e-6)
    straightness = _lengths(joints[:, -1] - joints[:, 0]) / along
    return np.concatenate([points[1:].ravel(), tip_distances, wrist_distances, straightness])


def _lengths(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class GestureClassifier:
    """Softmax regression on the features of a hand, on their similarity to examples, or on a hidden layer.

    The samples of a gesture lie close together in feature space and are not separated from other hands by a plane.
    Similarities to examples suit few samples. A hidden layer suits thousands, and keeps nothing of a single hand.

    Attributes:
        labels: class labels [C]. "" stands for hands that make none of the gestures, and for classes that are not
            served. There may be several.
        mean: float32 [F], subtracted from features.
        scale: float32 [F], by which features are then divided.
        weights: float32 [I + 1, C], the last row the bias. The I inputs are the F features, the similarities to K
            examples, or the H units of the hidden layer.
        threshold: probability, 0..1, from which a label counts as detected.
        examples: features [K, F] of the examples; empty for none.
        hidden: float32 [F + 1, H], the weights of a layer of rectified linear units, the last row the bias; empty for
            none. There are no examples beside it.
    """

    labels: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    threshold: float = SERVED_THRESHOLD
    examples: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    hidden: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def only(self, labels: Collection[str]) -> GestureClassifier:
        """The same with these labels alone. The other classes still compete for a hand, and are not reported."""
        kept = tuple(label if label in labels else "" for label in self.labels)
        return replace(self, labels=kept)

    def probabilities(self, features: Floats) -> dict[str, float]:
        """The probability, 0..1, of each label except "", for the features [F] of one hand."""
        inputs = classifier_inputs(features[None], self.mean, self.scale, self.examples)[0]
        if self.hidden.size:
            inputs = np.maximum(np.append(inputs, np.float32(1.0)) @ self.hidden, 0.0)
        logits = np.append(inputs, np.float32(1.0)) @ self.weights
        powers = np.exp(logits - logits.max())
        probabilities = powers / powers.sum()
        return {label: float(p) for label, p in zip(self.labels, probabilities, strict=True) if label}

    def as_document(self) -> dict[str, Any]:
        """The classifier as plain values, for its JSON file."""
        hidden = {"hidden": self.hidden.tolist()} if self.hidden.size else {}
        return {
            "format": FORMAT,
            "labels": list(self.labels),
            "threshold": self.threshold,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
            "examples": self.examples.tolist(),
            **hidden,
        }

    def write(self, path: Path) -> None:
        """Writes the classifier as JSON."""
        path.write_text(json.dumps(self.as_document()), encoding="utf-8")


def classifier_inputs(features: Floats, mean: Floats, scale: Floats, examples: Floats) -> Floats:
    """The inputs of a classifier's regression, for the features [N, F] of N hands.

    Returns:
        float32 [N, K]: similarities to the K examples, 0..`SIMILARITY_SCALE`. Without examples [N, F]: the standardised
        features.
    """
    inputs = (features - mean) / scale
    if not len(examples):
        return np.asarray(inputs, np.float32)
    known = (examples - mean) / scale
    squares = (inputs**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * inputs @ known.T
    return np.asarray(SIMILARITY_SCALE * np.exp(-SIMILARITY_DECAY * squares / inputs.shape[1]), np.float32)


def read_classifier(path: Path) -> GestureClassifier:
    """Reads the file of a gesture classifier.

    Raises:
        ModelError: the file is missing, too long or damaged, or was made for other features.
    """
    return parse_classifier(read_document(path), path)


def read_document(path: Path) -> Any:
    """The values of the file of a gesture classifier, before they are checked.

    Raises:
        ModelError: the file is missing or too long, or is no JSON.
    """
    try:
        return json.loads(read_at_most(path, MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected a gesture classifier, got {error!r}") from error


def parse_classifier(value: Any, path: Path) -> GestureClassifier:
    """A gesture classifier from the values of its file; `path` names the file in messages.

    Raises:
        ModelError: the values are damaged, or were made for other features.
    """
    count = len(hand_features(np.zeros((POINTS, 3), np.float32)))
    try:
        mean, scale, weights = (np.asarray(value[name], np.float32) for name in ("mean", "scale", "weights"))
        examples = np.asarray(value.get("examples", []), np.float32).reshape(-1, count)
        hidden = _hidden_layer(value.get("hidden", []), count)
        labels = tuple(str(label) for label in value["labels"])
        threshold = float(value.get("threshold", SERVED_THRESHOLD))
        classifier = GestureClassifier(labels, mean, scale, weights, threshold, examples, hidden)
        is_finite = all(bool(np.isfinite(each).all()) for each in (mean, scale, weights, examples, hidden))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path}: expected a gesture classifier, got {error!r}") from error
    if not is_finite or not scale.all():
        raise ModelError(f"{path}: expected finite numbers and a scale without zeros, got others")
    if len(labels) > MAX_LABELS or any(len(label) > MAX_LABEL_CHARACTERS for label in labels):
        raise ModelError(
            f"{path}: expected at most {MAX_LABELS} labels of at most {MAX_LABEL_CHARACTERS} characters, got more"
        )
    if not 0.0 <= threshold <= 1.0:
        raise ModelError(f"{path}: expected a threshold from 0 to 1, got {threshold}")
    if hidden.size and len(examples):
        raise ModelError(f"{path}: expected examples or a hidden layer, got both")
    expected = ((hidden.shape[1] if hidden.size else len(examples) or count) + 1, len(labels))
    if value.get("format") != FORMAT or mean.shape != (count,) or weights.shape != expected:
        raise ModelError(
            f"{path}: expected format {FORMAT} with {count} features and weights {expected}, got format "
            f"{value.get('format')!r} with features {mean.shape} and weights {weights.shape}"
        )
    return classifier


def _hidden_layer(value: Any, count: int) -> Floats:
    """The weights of a hidden layer, [`count` + 1, H]; empty for none. Raises ValueError for another shape."""
    hidden = np.asarray(value, np.float32)
    if not hidden.size:
        return np.zeros((0, 0), np.float32)
    if hidden.ndim != 2 or len(hidden) != count + 1 or hidden.shape[1] > MAX_HIDDEN:
        raise ValueError(f"hidden: expected [{count + 1}, at most {MAX_HIDDEN}] weights, got {hidden.shape}")
    return hidden


def gesture_probabilities(
    classifiers: Sequence[GestureClassifier], landmarks: Floats, aspect: float
) -> dict[str, float]:
    """The probability, 0..1, of every label of the classifiers, for one hand.

    Args:
        classifiers: may be empty; the result then is, too.
        landmarks: float32 [21, 3] as in `Region`.
        aspect: width of the frame divided by its height.
    """
    if not classifiers:
        return {}
    features = hand_features(landmarks, aspect)
    probabilities: dict[str, float] = {}
    for classifier in classifiers:
        probabilities.update(classifier.probabilities(features))
    return probabilities
