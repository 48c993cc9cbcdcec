"""Synthetic hands, and a detector that finds them: for tests without networks and without photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import POINTS, GestureClassifier
from gifcue.detect.regions import Region
from gifcue.gestures.samples import Floats, HandSample
from gifcue.protocol.geometry import Box

# Which fingers are straight, the thumb first.
VICTORY = (False, True, True, False, False)
FIST = (False, False, False, False, False)
OTHERS = (
    (True, True, True, True, True),
    FIST,
    (True, False, False, False, False),
    (False, True, False, False, False),
    (False, True, True, True, False),
    (True, True, False, False, True),
)
ASPECT = 16 / 9


def bones(straight: Sequence[bool], rng: np.random.Generator) -> Floats:
    """A right hand [21, 3], upright, with the wrist at the origin and y downwards. Every call varies it a little."""
    points = np.zeros((POINTS, 3))
    for finger, is_straight in enumerate(straight):
        angle = np.radians(-50 + 25 * finger + rng.normal(0, 4))
        way = np.array([np.sin(angle), -np.cos(angle), 0.0])
        for joint in range(4):
            length = 1.0 + 0.35 * joint if is_straight else (1.0, 1.3, 1.1, 0.8)[joint]
            points[1 + finger * 4 + joint] = way * length
    return np.asarray(points + rng.normal(0, 0.03, points.shape), np.float32)


def sample(straight: Sequence[bool], rng: np.random.Generator, source: str = "") -> HandSample:
    """A sample of such a hand in the middle of a frame."""
    shares = bones(straight, rng) * np.float32(0.1)
    shares[:, [0, 2]] /= np.float32(ASPECT)
    return HandSample(shares + np.float32(0.5), ASPECT, source)


class BrightnessDetector:
    """Finds two hands in every picture: a small fist and a large hand, which shows VICTORY in a bright one."""

    info = ServedModel("brightness", "1", "test", ("hand",), {"hand": 0.5}, 64, 64)

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)

    def warm(self) -> None: ...

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        found = []
        for frame in frames:
            shape = VICTORY if frame[0, 0, 0] > 128 else OTHERS[int(self._rng.integers(len(OTHERS)))]
            large, small = sample(shape, self._rng), sample(OTHERS[1], self._rng)
            found.append(
                [
                    Region("hand", Box(0.1, 0.1, 0.2, 0.2), 0.95, {}, small.landmarks),
                    Region("hand", Box(0.2, 0.3, 0.8, 0.7), 0.9, {}, large.landmarks),
                    Region("hand", Box(0.0, 0.0, 1.0, 1.0), 0.2, {}, small.landmarks),
                ]
            )
        return found

    def close(self) -> None: ...


def pictures(folder: Path, level: int, count: int) -> Path:
    """Writes pictures of one grey level, 0..255, into a new folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02d}.png"), np.full((90, 160, 3), level, np.uint8))
    return folder
