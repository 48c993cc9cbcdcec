"""The extra gestures: one classifier that comes with gifcue, of which a server serves the labels that are enabled.

Its file holds weights, and no landmarks or features of any hand. `gifcue-lab gestures train` makes it for the hand
network that is served; with another network's landmarks it is less accurate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gifcue.detect.gesture_classifier import GestureClassifier, read_classifier

SHIPPED = Path(__file__).with_name("extra.json")


def read_extra(labels: Sequence[str]) -> list[GestureClassifier]:
    """The classifier of these extra gestures alone; none where there are no labels.

    Raises:
        ModelError: the file is damaged.
    """
    return [read_classifier(SHIPPED).only(labels)] if labels else []


def extra_gifs(labels: Iterable[str]) -> dict[str, str]:
    """The GIFs of the default book that answer these extra gestures where no rule does: names, by label."""
    return {label: f"{label}_1" for label in labels}
