"""A detector for tests of teaching. What it finds depends on the colour that dominates a picture.

    red      a hand that shows VICTORY (`tests.support.hands`)
    green    a fist
    blue     a hand that is drawn as the extra gesture `rock` (`tests.support.hand_shapes`)
    other    nothing

Gesture classifiers run as with the real networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.detect.served_gestures import add_gestures
from gifcue.detect.worker import WorkerInit, run
from gifcue.protocol.geometry import Box
from gifcue.workers.channel import BlockingChannel
from tests.support.colour_detector import LABELS
from tests.support.hand_shapes import SHAPES
from tests.support.hands import ASPECT, FIST, VICTORY, sample

TARGET = "tests.support.gesture_detector:main"
_DOMINATES = 60.0


class GestureDetector:
    """Described in the module."""

    info = ServedModel("hands", "1", "fake", LABELS, dict.fromkeys(LABELS, 0.5), 64, 64)

    def __init__(self, config: DetectorConfig) -> None:
        self._rng = np.random.default_rng(7)
        self._classifiers: Sequence[GestureClassifier] = ()

    def warm(self) -> None:
        """Nothing to warm."""

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        self._classifiers = classifiers

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [self._find(frame) for frame in frames]

    def close(self) -> None:
        """Nothing to close."""

    def _find(self, frame: Frame) -> list[Region]:
        red, green, blue = frame.reshape(-1, 3).mean(axis=0)
        if blue - max(red, green) >= _DOMINATES:
            landmarks = np.asarray(SHAPES["rock"] / (ASPECT, 1.0, ASPECT), np.float32)
        elif max(red, green) - blue >= _DOMINATES:
            landmarks = sample(VICTORY if red > green else FIST, self._rng).landmarks
        else:
            return []
        attributes = add_gestures({"thumbs_up": 0.01}, self._classifiers, landmarks, ASPECT)
        return [Region("hand", Box(0.2, 0.3, 0.8, 0.7), 0.97, attributes, landmarks)]


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    run(channel, init, fds, GestureDetector)
