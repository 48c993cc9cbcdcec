"""A detector for tests of the whole pipeline. What it finds depends on the colour that dominates a picture.

    red      a face that smiles
    green    a hand with its thumb up, and its landmarks
    yellow   a large face at the edge that does not smile, and a small one in the middle that does
    blue     it raises
    other    nothing

Decoding and conversion are real in these tests. A colour survives them, whatever the codec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.detect.worker import WorkerInit, run
from gifcue.protocol.geometry import Box
from gifcue.workers.channel import BlockingChannel

LABELS = ("face", "hand", "neutral", "thinking", "smile", "wave", "ok_hand", "thumbs_up")
INFO = ServedModel("colours", "1", "fake", LABELS, dict.fromkeys(LABELS, 0.5), 64, 64)
TARGET = "tests.support.colour_detector:main"

RED = (200, 40, 40)
GREEN = (40, 200, 40)
BLUE = (40, 40, 200)
YELLOW = (200, 200, 40)
GREY = (120, 120, 120)

# A hand's: x, y and z of 21 points.
LANDMARKS = np.linspace((0.6, 0.3, -0.1), (0.75, 0.6, 0.1), 21, dtype=np.float32)

# The difference, 0..255, by which the mean of the dominant channels exceeds those of the others.
_DOMINATES = 60.0


class ColourDetector:
    """Described in the module."""

    info = INFO

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config

    def warm(self) -> None:
        """Nothing to warm."""

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        """It finds no landmarks, which classifiers need."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [self._find(frame) for frame in frames]

    def close(self) -> None:
        """Nothing to close."""

    @staticmethod
    def _find(frame: Frame) -> list[Region]:
        means = frame.reshape(-1, 3).mean(axis=0)
        if means[:2].min() - means[2] >= _DOMINATES:
            return [
                Region("face", Box(0.2, 0.05, 0.8, 0.35), 0.98, {"smile": 0.02, "neutral": 0.96}),
                Region("face", Box(0.4, 0.45, 0.6, 0.55), 0.98, {"smile": 0.95, "neutral": 0.03}),
            ]
        strongest = int(means.argmax())
        if means[strongest] - np.delete(means, strongest).max() < _DOMINATES:
            return []
        if strongest == 0:
            return [Region("face", Box(0.2, 0.3, 0.7, 0.6), 0.98, {"smile": 0.95, "neutral": 0.03})]
        if strongest == 1:
            box = Box(0.3, 0.6, 0.6, 0.75)
            return [Region("hand", box, 0.97, {"thumbs_up": 0.97, "wave": 0.01}, LANDMARKS)]
        raise RuntimeError("blue")


def colour_frames(
    colour: tuple[int, int, int], count: int, width: int = 320, height: int = 180
) -> Iterator[NDArray[np.uint8]]:
    """RGB frames of one colour. A grey spot moves through them, so that no frame is similar to the one before."""
    for index in range(count):
        frame = np.full((height, width, 3), colour, dtype=np.uint8)
        centre = (20 + 13 * index % (width - 40), 20 + 7 * index % (height - 40))
        cv2.circle(frame, centre, 18, GREY, thickness=-1)
        yield frame


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    run(channel, init, fds, ColourDetector)
