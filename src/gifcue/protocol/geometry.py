"""Rectangles in shares of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in shares of the picture: 0 is the left or top edge, 1 the right or bottom edge."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float

    @property
    def height(self) -> float:
        return max(0.0, self.ymax - self.ymin)

    @property
    def width(self) -> float:
        return max(0.0, self.xmax - self.xmin)

    @property
    def area(self) -> float:
        return self.height * self.width

    @property
    def center(self) -> tuple[float, float]:
        """(y, x)."""
        return (self.ymin + self.ymax) / 2, (self.xmin + self.xmax) / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1; 0 where either box is empty."""
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        if height <= 0.0 or width <= 0.0:
            return 0.0
        shared = height * width
        return shared / (self.area + other.area - shared)
