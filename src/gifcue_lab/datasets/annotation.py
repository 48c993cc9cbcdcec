"""The labels of one picture, whatever the file format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gifcue.errors import GifcueError


class DatasetError(GifcueError):
    """A file of labels or a picture of a dataset cannot be used. The message names the file."""

    status = "INVALID_ARGUMENT"


class PixelBox(NamedTuple):
    """The edges of a box in pixels of the stored picture, 0-based: `xmax - xmin` is the width.

    LabelImg writes such edges (a mouse position, truncated to an integer), except that it writes 0 as 1. They are not
    the 1-based inclusive pixel indices of the original Pascal VOC, so nothing is subtracted when they are read.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def area(self) -> float:
        """In square pixels; 0 for an empty or inverted box."""
        return max(0.0, self.xmax - self.xmin) * max(0.0, self.ymax - self.ymin)


class LabelledObject(NamedTuple):
    """One box as it is in the file. `difficult` means that nobody can tell what the object shows."""

    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    difficult: bool = False

    @property
    def box(self) -> PixelBox:
        return PixelBox(self.xmin, self.ymin, self.xmax, self.ymax)


@dataclass(frozen=True)
class Annotation:
    """All boxes of one picture. `width` and `height` are those of the picture, in pixels."""

    filename: str
    width: int
    height: int
    objects: tuple[LabelledObject, ...] = ()
