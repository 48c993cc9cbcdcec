"""Custom gestures in service: what they add to the description of a model, and to a hand that it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import Floats, GestureClassifier, gesture_probabilities


def add_gesture_labels(info: ServedModel, classifiers: Sequence[GestureClassifier]) -> ServedModel:
    """The description of a model with the labels of the classifiers added, as attributes of a hand.

    A label that the model has already stays the model's.
    """
    thresholds = {label: classifier.threshold for classifier in classifiers for label in classifier.labels}
    labels = tuple(label for label in thresholds if label and label not in info.labels)
    if not labels:
        return info
    hand_labels = (*info.attributes.get("hand", ()), *labels)
    return replace(
        info,
        labels=(*info.labels, *labels),
        thresholds={**info.thresholds, **{label: thresholds[label] for label in labels}},
        attributes={**info.attributes, "hand": hand_labels},
    )


def add_gestures(
    attributes: Mapping[str, float],
    classifiers: Sequence[GestureClassifier],
    landmarks: Floats,
    aspect: float,
    confidence: float = 1.0,
) -> dict[str, float]:
    """The attributes of a hand with those of the classifiers added; a label that is there already stays as it is.

    Args:
        attributes: those of the model.
        classifiers: may be empty.
        landmarks: float32 [21, 3] as in `Region`.
        aspect: width of the frame divided by its height.
        confidence: size confidence of the hand, 0..1, by which the classifiers' probabilities are multiplied.
    """
    gestures = gesture_probabilities(classifiers, landmarks, aspect)
    return {**{label: probability * confidence for label, probability in gestures.items()}, **attributes}
