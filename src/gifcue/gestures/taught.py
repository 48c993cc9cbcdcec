"""A custom gesture as it is served: its classifier, and the GIF that was chosen for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue.detect.gesture_classifier import GestureClassifier, parse_classifier, read_document
from gifcue.errors import ModelError
from gifcue.gestures.samples import NONE, GestureError, check_label

# Characters of a GIF's name in the rule book.
MAX_GIF_NAME = 128
# What a model itself may call a face, a hand or none of its labels.
RESERVED = frozenset({"face", "hand", NONE})


@dataclass(frozen=True, slots=True, eq=False)
class TaughtGesture:
    """One classifier in service.

    Attributes:
        classifier: a file that was made by hand may have several labels; taught ones have one.
        gif: name of a GIF in the rule book that answers the gesture where no rule does; None for none.
    """

    classifier: GestureClassifier
    gif: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the classifier gives to hands."""
        return tuple(label for label in self.classifier.labels if label)

    @property
    def samples(self) -> int:
        """How many samples the classifier compares hands with."""
        return len(self.classifier.examples)

    def as_json(self) -> bytes:
        """The content of the gesture's file."""
        document: dict[str, Any] = self.classifier.as_document()
        if self.gif is not None:
            document["gif"] = self.gif
        return json.dumps(document).encode()


def check_new_label(label: str) -> str:
    """Returns a label that a gesture may have.

    Raises:
        GestureError: it has other characters than a label, is too long, or has a meaning of its own.
    """
    if check_label(label) in RESERVED:
        raise GestureError(f"expected a label of your own, got {label!r}, which has a meaning already")
    return label


def read_gesture(path: Path) -> TaughtGesture:
    """Reads and checks the file of a gesture.

    Raises:
        ModelError: the file is missing, too long or damaged, or has a label that no gesture may have.
    """
    value = read_document(path)
    gesture = TaughtGesture(parse_classifier(value, path), _gif(value, path))
    if not gesture.labels:
        raise ModelError(f"{path}: expected a label, got none")
    try:
        for label in gesture.labels:
            check_new_label(label)
    except GestureError as error:
        raise ModelError(f"{path}: {error}") from None
    return gesture


def _gif(value: Any, path: Path) -> str | None:
    gif = value.get("gif")
    if gif is None or (isinstance(gif, str) and 0 < len(gif) <= MAX_GIF_NAME):
        return gif
    raise ModelError(f"{path}: gif: expected a name of 1 to {MAX_GIF_NAME} characters, got another value")
