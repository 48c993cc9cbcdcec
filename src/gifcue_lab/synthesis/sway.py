"""Small motions of head, jaw and camera.

In: a random generator, then times in seconds. Out: displacements, and pictures (uint8 RGB [H, W, 3]) that are bent by
them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.training.samples import Floats, Image

# Each motion is a sum of slow sine waves: (least, most) Hz, and their number.
HEAD_HZ, CAMERA_HZ, WAVES = (0.05, 0.45), (0.03, 0.2), 3
BREATH_HZ = (0.2, 0.33)
# Amplitudes of the head in shares of the face, and of the camera in shares of the frame's height.
HEAD_REACH, BREATH_REACH, CAMERA_REACH = 0.05, 0.008, 0.002
# Amplitude of the jaw in face heights, and the frequencies of syllables and of pauses in Hz.
JAW_REACH, JAW_HZ, PAUSE_HZ = 0.05, (3.0, 5.5), (0.25, 0.5)


class Sway:
    """Smooth functions of time, with parameters from `rng`."""

    def __init__(self, rng: np.random.Generator) -> None:
        reach = float(rng.uniform(0.3, 1.0))
        self._head = [_waves(rng, HEAD_HZ, HEAD_REACH * reach) for _ in range(2)]
        self._breath = float(rng.uniform(*BREATH_HZ)), float(rng.uniform(0, 2 * math.pi))
        self._camera = [_waves(rng, CAMERA_HZ, CAMERA_REACH * float(rng.random() < 0.5)) for _ in range(2)]
        self._jaw = float(rng.uniform(*JAW_HZ)), float(rng.uniform(*PAUSE_HZ))

    def head(self, at_s: float) -> tuple[float, float]:
        """Displacement (x, y) of the head, in shares of the face's size."""
        x, y = (_at(waves, at_s) for waves in self._head)
        hz, phase = self._breath
        return x, 0.4 * y + BREATH_REACH * math.sin(2 * math.pi * hz * at_s + phase)

    def camera(self, at_s: float) -> tuple[float, float]:
        """Displacement (x, y) of the camera, in shares of the frame's height."""
        x, y = (_at(waves, at_s) for waves in self._camera)
        return x, y

    def jaw(self, at_s: float) -> float:
        """Displacement of the jaw downwards, in face heights, at least 0."""
        fast, slow = self._jaw
        speaks = max(0.0, math.sin(2 * math.pi * slow * at_s) + 0.4) / 1.4
        # The frequencies share no period, so no two syllables are alike.
        opens = abs(math.sin(math.pi * fast * at_s)) * (0.6 + 0.4 * math.sin(2 * math.pi * 1.37 * at_s))
        return JAW_REACH * speaks * opens


class Bender:
    """Moves the head and the jaw of pictures of one size with the face at one place.

    Which pixels move how much depends on neither time nor picture, so it is computed once.

    Args:
        shape: (height, width) of the pictures.
        face: a box (xmin, ymin, xmax, ymax) in pixels.
    """

    def __init__(self, shape: tuple[int, int], face: tuple[float, float, float, float]) -> None:
        height, width = shape
        left, top, right, bottom = face
        self._wide, self._tall = wide, tall = right - left, bottom - top
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        middle = (left + right) / 2
        # The head moves, the shoulders move half as much, and the room does not move.
        at_head = _bump(x, middle, 0.85 * wide)[None] * _bump(y, (top + bottom) / 2, 0.85 * tall)[:, None]
        torso = 0.5 * _bump(x, middle, 1.6 * wide)[None] / (1 + np.exp(-(y - bottom) / (0.2 * tall)))[:, None]
        self._weight = np.maximum(at_head, torso).astype(np.float32)
        lips = top + 0.82 * tall
        chin = _bump(x, middle, 0.22 * wide)[None] * _bump(y, lips + 0.1 * tall, 0.11 * tall)[:, None]
        self._chin = chin.astype(np.float32)
        self._x = np.broadcast_to(x[None], (height, width))
        self._y = np.broadcast_to(y[:, None], (height, width))

    def bend(self, picture: Image, head: tuple[float, float], jaw: float) -> Image:
        """Moves the head by `head` and the jaw by `jaw`, both in shares of the face."""
        map_x = self._x - self._weight * np.float32(head[0] * self._wide)
        map_y = self._y - self._weight * np.float32(head[1] * self._tall)
        if jaw > 0.0:
            map_y -= self._chin * np.float32(jaw * self._tall)
        bent = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(bent, np.uint8)


def _bump(places: Floats, middle: float, reach: float) -> Floats:
    return np.asarray(np.exp(-(((places - middle) / max(reach, 1.0)) ** 2)), np.float32)


def _waves(rng: np.random.Generator, hz: tuple[float, float], reach: float) -> npt.NDArray[np.float64]:
    return np.stack(
        [
            rng.uniform(*hz, WAVES),
            rng.uniform(0, 2 * math.pi, WAVES),
            rng.uniform(0.3, 1.0, WAVES) * reach / WAVES,
        ],
        1,
    )


def _at(waves: npt.NDArray[np.float64], at_s: float) -> float:
    return float((np.sin(2 * np.pi * waves[:, 0] * at_s + waves[:, 1]) * waves[:, 2]).sum())
