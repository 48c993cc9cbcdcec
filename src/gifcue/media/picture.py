"""From FFmpeg's frame to the picture that a detector reads: RGB of the analysis size.

swscale does both steps at once and knows every pixel format, range and matrix that a decoder yields. Measured
(`python benchmarks/media.py`): 0.1 ms for 640x360, 0.7 ms from 1280x720, where planes scaled and converted by
OpenCV take 0.11 and 0.19 ms but are right for 8-bit 4:2:0 of limited range only.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

# Averages the source pixels of each pixel: of the fast methods, the one that keeps a small hand's edges in place.
_INTERPOLATION = "AREA"

# OpenCV's names of the turns, by degrees clockwise.
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

# Kinds of frames (size, format, colours) whose tables are kept.
KINDS_KEPT = 16


def fit(width: int, height: int, long_side: int, short_side: int) -> tuple[int, int]:
    """The analysis size of a picture: within `long_side x short_side` in its own orientation, never larger, its aspect
    kept.

    Sides are rounded to whole pixels; neither is ever less than 1.
    """
    most_width, most_height = (long_side, short_side) if width >= height else (short_side, long_side)
    scale = min(1.0, most_width / width, most_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


class Converter:
    """Converts the frames of one thread's participants; not thread-safe.

    Holds swscale's tables, a tenth of a megabyte, for each recent kind of frame: participants mostly send the same few
    kinds.
    """

    def __init__(self, long_side: int, short_side: int) -> None:
        self._long_side = long_side
        self._short_side = short_side
        self._reformatters: OrderedDict[tuple[Any, ...], VideoReformatter] = OrderedDict()

    def convert(self, frame: Any, target: memoryview, rotation: int = 0) -> tuple[int, int]:
        """Writes the picture into `target`, RGB, rows without gaps from its start; returns its width and
        height. It is turned clockwise by `rotation` degrees (0, 90, 180 or 270), after it was scaled.

        Raises:
            ValueError: `target` is smaller than the picture.
        """
        width, height = fit(frame.width, frame.height, self._long_side, self._short_side)
        size = width * height * 3
        if len(target) < size:
            raise ValueError(f"expected room for {size} bytes, got {len(target)}")
        rows = self._rows(frame, width, height)
        picture = np.frombuffer(target, np.uint8, size)
        if rotation == 0:
            np.copyto(picture.reshape(height, width * 3), rows)
            return width, height
        if rotation != 180:
            width, height = height, width
        cv2.rotate(_pixels(rows), _TURNS[rotation], picture.reshape(height, width, 3))
        return width, height

    def array(self, frame: Any) -> NDArray[np.uint8]:
        """The picture as an array of its own, `height x width x 3`."""
        width, height = fit(frame.width, frame.height, self._long_side, self._short_side)
        return _pixels(self._rows(frame, width, height)).copy()

    def _rows(self, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
        # One thread: the workers are the parallelism.
        picture = self._reformatter(frame).reformat(
            frame, width, height, "rgb24", interpolation=_INTERPOLATION, threads=1
        )
        plane: Any = picture.planes[0]
        padded = np.frombuffer(plane, np.uint8, plane.line_size * height).reshape(height, plane.line_size)
        return np.asarray(padded[:, : width * 3])

    def _reformatter(self, frame: Any) -> VideoReformatter:
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        known = self._reformatters.get(kind)
        if known is not None:
            self._reformatters.move_to_end(kind)
            return known
        if len(self._reformatters) == KINDS_KEPT:
            self._reformatters.popitem(last=False)
        fresh = self._reformatters[kind] = VideoReformatter()
        return fresh


def _pixels(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rows.reshape(rows.shape[0], -1, 3)
