"""A real photograph in motion, as the frames of a video.

The photograph is scikit-image's `astronaut` (Eileen Collins, NASA, in the public domain). It is part of scikit-image,
so nothing is downloaded. It fills the frame and moves as if a camera moved, with phases in which nothing moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Motion = Literal["still", "phases", "always"]

# Seconds of each phase without motion and with motion, in `motion="phases"`.
STILL_S = 2.0
MOVING_S = 2.0


def photograph() -> NDArray[np.uint8]:
    """The photograph, RGB, 512x512.

    Raises:
        ImportError: scikit-image is not installed; the message names what to install.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            f"expected scikit-image, for its photograph of an astronaut, got: {error}. Install gifcue[demo]"
        ) from error
    return np.ascontiguousarray(data.astronaut())


def photo_frames(
    seconds: float, fps: float, width: int = 640, height: int = 360, motion: Motion = "phases"
) -> Iterator[NDArray[np.uint8]]:
    """Yields RGB frames `height x width x 3` of the photograph. The face is always visible.

    With `motion="still"` nothing moves, with "always" everything always moves, and "phases" alternates `STILL_S`
    without and `MOVING_S` with motion. The motion is a smooth pan and zoom that returns to its start.
    """
    photo = photograph()
    for index in range(round(seconds * fps)):
        yield _view(photo, _phase(index / fps, motion), width, height)


def _phase(at_s: float, motion: Motion) -> float:
    # The position of the camera along its path, 0..1.
    if motion == "still":
        return 0.0
    if motion == "always":
        return (at_s / MOVING_S) % 1.0
    return max(0.0, at_s % (STILL_S + MOVING_S) - STILL_S) / MOVING_S


def _view(photo: NDArray[np.uint8], phase: float, width: int, height: int) -> NDArray[np.uint8]:
    # The visible part of the photograph: its upper part, as wide as the photograph at phase 0.
    turn = 2 * math.pi * phase
    side = photo.shape[1]
    share = 1.0 - 0.12 * (1 - math.cos(turn)) / 2
    seen_width = side * share
    seen_height = seen_width * height / width
    if seen_height > side * share:
        seen_height = side * share
        seen_width = seen_height * width / height
    left = (side - seen_width) / 2 + (side - seen_width) / 2 * math.sin(turn)
    top = 8.0 * (1 - math.cos(turn)) if seen_height < side - 16 else 0.0
    scale_x, scale_y = seen_width / width, seen_height / height
    # Maps the frame's pixel centres to the photograph's.
    matrix = np.array(
        [[scale_x, 0, left + scale_x / 2 - 0.5], [0, scale_y, top + scale_y / 2 - 0.5]], dtype=np.float64
    )
    frame = cv2.warpAffine(
        photo,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(frame, dtype=np.uint8)
