"""Light heads: what a hand shows, from its landmarks alone. numpy only, fitted in seconds from a few dozen
samples.

A head is how a user's own gesture is served without touching the networks. Features are made so that
distance, place in the frame and left or right hand do not matter, and turning does: thumbs up is no thumbs
down.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import ServedModel
from gifcue.errors import ModelError

Floats = npt.NDArray[np.float32]

FORMAT = 1
POINTS = 21
# MediaPipe's numbers.
WRIST = 0
KNUCKLES = (5, 9, 13, 17)
FINGERTIPS = (4, 8, 12, 16, 20)
FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
STEPS = 400
# A head knows few people: it must be surer than a network to be believed.
HEAD_THRESHOLD = 0.7
# Likeness to an example, over the squared distance a feature: measured on peace signs, flat from 1 to 2.
SHARPNESS = 1.5
LIKENESS = 3.0


def hand_features(landmarks: Floats, aspect: float = 1.0) -> Floats:
    """Features [F] of one hand.

    `landmarks` is float32 [21, 3] as in `Region`, shares of the frame; `aspect` the frame's width over its
    height.
    """
    points = np.asarray(landmarks, np.float32).copy()
    points[:, [0, 2]] *= np.float32(aspect)
    points -= points[WRIST]
    palm = float(np.linalg.norm(points[list(KNUCKLES), :2], axis=1).mean()) + 1e-6
    points /= np.float32(palm)
    first, last = points[KNUCKLES[0], :2], points[KNUCKLES[-1], :2]
    if first[0] * last[1] - first[1] * last[0] < 0:
        points[:, 0] = -points[:, 0]
    tips = points[list(FINGERTIPS), :2]
    apart = [float(np.linalg.norm(tips[i] - tips[j])) for i in range(5) for j in range(i)]
    reach = np.linalg.norm(tips, axis=1)
    straight = []
    for finger in FINGERS:
        joints = points[list(finger), :2]
        length = float(np.linalg.norm(np.diff(joints, axis=0), axis=1).sum()) + 1e-6
        straight.append(float(np.linalg.norm(joints[-1] - joints[0])) / length)
    return np.concatenate([points[1:].ravel(), apart, reach, straight]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class GestureClassifier:
    """Softmax regression. `labels[0]` is "" for none of the others; `weights` [inputs + 1, labels], the last
    row a bias. `threshold` is the one that its labels are served at.

    Its inputs are the features [F] themselves or, where there are `examples` [K, F], the likeness to each of
    these: samples of one gesture lie close together, but not on one side of a plane.
    """

    labels: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    threshold: float = HEAD_THRESHOLD
    examples: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def probabilities(self, features: Floats) -> dict[str, float]:
        """Features [F] ► the probability of each label but none."""
        inputs = head_inputs(features[None], self.mean, self.scale, self.examples)[0]
        logits = np.append(inputs, np.float32(1.0)) @ self.weights
        powers = np.exp(logits - logits.max())
        chances = powers / powers.sum()
        return {label: float(chance) for label, chance in zip(self.labels, chances, strict=True) if label}

    def write(self, path: Path) -> None:
        """As JSON."""
        value = {
            "format": FORMAT,
            "labels": list(self.labels),
            "threshold": self.threshold,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
            "examples": self.examples.tolist(),
        }
        path.write_text(json.dumps(value), encoding="utf-8")


def head_inputs(features: Floats, mean: Floats, scale: Floats, examples: Floats) -> Floats:
    """Features [N, F] ► what a head weighs: standardised [N, F], or their likeness to examples [N, K], 0..1."""
    inputs = (features - mean) / scale
    if not len(examples):
        return np.asarray(inputs, np.float32)
    known = (examples - mean) / scale
    squares = (inputs**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * inputs @ known.T
    return np.asarray(LIKENESS * np.exp(-SHARPNESS * squares / inputs.shape[1]), np.float32)


def read_head(path: Path) -> GestureClassifier:
    """Raises ModelError where the file is missing or damaged, or of other features."""
    count = len(hand_features(np.zeros((POINTS, 3), np.float32)))
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        mean, scale, weights = (np.asarray(value[name], np.float32) for name in ("mean", "scale", "weights"))
        examples = np.asarray(value.get("examples", []), np.float32).reshape(-1, count)
        labels = tuple(str(label) for label in value["labels"])
        threshold = float(value.get("threshold", HEAD_THRESHOLD))
        head = GestureClassifier(labels, mean, scale, weights, threshold, examples)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: expected a light head, got {error!r}") from error
    expected = ((len(examples) or count) + 1, len(head.labels))
    if value.get("format") != FORMAT or head.mean.shape != (count,) or head.weights.shape != expected:
        raise ModelError(f"{path}: expected format {FORMAT} of {count} features, got {head.weights.shape}")
    return head


def taught(heads: Sequence[GestureClassifier], landmarks: Floats, aspect: float) -> dict[str, float]:
    """What the heads say of one hand, landmarks as in `Region`; nothing where there are no heads."""
    if not heads:
        return {}
    features = hand_features(landmarks, aspect)
    shown: dict[str, float] = {}
    for head in heads:
        shown.update(head.probabilities(features))
    return shown


def with_heads(info: ServedModel, heads: Sequence[GestureClassifier]) -> ServedModel:
    """The model's description with the labels of the heads, as gestures of a hand."""
    served = {label: head.threshold for head in heads for label in head.labels}
    labels = tuple(label for label in served if label and label not in info.labels)
    if not labels:
        return info
    hands = (*info.attributes.get("hand", ()), *labels)
    return replace(
        info,
        labels=(*info.labels, *labels),
        thresholds={**info.thresholds, **{label: served[label] for label in labels}},
        attributes={**info.attributes, "hand": hands},
    )


def fit_head(
    features: Floats, labels: Sequence[str], *, pull: float = 0.01, examples: Floats | None = None
) -> GestureClassifier:
    """Fits features [N, F] to labels ("" for none). Classes count alike, however many samples they have.

    With `examples` [K, F] the head weighs the likeness to these instead of the features.

    Raises:
        ValueError: fewer than two different labels.
    """
    names = ("", *sorted({label for label in labels if label}))
    present = set(labels)
    if len(present) < 2:
        raise ValueError(f"labels: expected samples of a gesture and of none, got only {sorted(present)}")
    mean = features.mean(0)
    scale = features.std(0) + np.float32(0.05)
    known = np.zeros((0, features.shape[1]), np.float32) if examples is None else examples
    seen = head_inputs(features, mean, scale, known)
    inputs = np.concatenate([seen, np.ones((len(features), 1))], 1).astype(np.float64)
    wanted = np.array([[float(label == name) for name in names] for label in labels])
    shares = wanted.sum(0)
    weight = (wanted / np.maximum(shares, 1.0)).sum(1)
    weight /= weight.sum()
    weights = np.zeros((inputs.shape[1], len(names)))
    speed = np.zeros_like(weights)
    # Nesterov's steps on a convex problem: no library, and the same result every time. A step below 1 /
    # curvature.
    size = 1.0 / (0.5 * float((weight[:, None] * inputs**2).sum()) + pull)
    for step in range(STEPS):
        ahead = weights + step / (step + 3) * speed
        logits = inputs @ ahead
        powers = np.exp(logits - logits.max(1, keepdims=True))
        off = (powers / powers.sum(1, keepdims=True) - wanted) * weight[:, None]
        moved = ahead - size * (inputs.T @ off + pull * ahead)
        speed, weights = moved - weights, moved
    return GestureClassifier(
        names,
        np.asarray(mean, np.float32),
        np.asarray(scale, np.float32),
        weights.astype(np.float32),
        examples=np.asarray(known, np.float32),
    )
