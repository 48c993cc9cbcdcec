"""A canvas for flat pictures: shapes in a coordinate system of 240 by 240, drawn large and then scaled down.

All coordinates are rounded to integers and palettes are fixed, so that the same script draws the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw

SIZE = 240  # pixels of a finished frame, and units of the coordinate system
SCALE = 4  # factor by which pictures are drawn larger, for smooth edges

Point = tuple[float, float]
Colour = tuple[int, int, int]


def rgb(text: str) -> Colour:
    """A colour from `#rrggbb`."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two. `share` 0 is `one`, 1 is `other`."""
    return (
        round(one[0] + (other[0] - one[0]) * share),
        round(one[1] + (other[1] - one[1]) * share),
        round(one[2] + (other[2] - one[2]) * share),
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """A coordinate system within the canvas: (x, y) turned by `turn` degrees clockwise, scaled, and moved."""

    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0
    scale: float = 1.0

    def place(self, point: Point) -> Point:
        angle = math.radians(self.turn)
        x, y = point[0] * self.scale, point[1] * self.scale
        return (
            self.x + x * math.cos(angle) - y * math.sin(angle),
            self.y + x * math.sin(angle) + y * math.cos(angle),
        )


class Canvas:
    """One frame of a picture."""

    def __init__(self, background: Colour) -> None:
        self._image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), background)
        self._draw = ImageDraw.Draw(self._image)
        self._frames = [Frame(scale=SCALE)]

    def finished(self) -> Image.Image:
        """The picture at its own size, RGB."""
        return self._image.reduce(SCALE)

    @contextmanager
    def at(self, x: float, y: float, turn: float = 0.0, scale: float = 1.0) -> Iterator[None]:
        """Draws around (x, y), turned and scaled."""
        outer = self._frames[-1]
        px, py = outer.place((x, y))
        self._frames.append(Frame(px, py, outer.turn + turn, outer.scale * scale))
        yield
        self._frames.pop()

    @contextmanager
    def inside(self, x: float, y: float, radius: float) -> Iterator[None]:
        """Draws only within a circle."""
        before = self._image.copy()
        mask = Image.new("1", self._image.size, 1)
        cx, cy = self._place((x, y))
        r = radius * self._frames[-1].scale
        ImageDraw.Draw(mask).ellipse(_whole((cx - r, cy - r, cx + r, cy + r)), fill=0)
        yield
        self._image.paste(before, (0, 0), mask)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        cx, cy = self._place((x, y))
        r = radius * self._frames[-1].scale
        self._draw.ellipse(_whole((cx - r, cy - r, cx + r, cy + r)), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """A filled ellipse, turned with the frame."""
        steps = [math.tau * step / 72 for step in range(72)]
        self.shape([(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in steps], colour)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([_whole(self._place(point)) for point in points], fill=colour)

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A thick line with round ends and corners."""
        placed = [self._place(point) for point in points]
        r = width * self._frames[-1].scale / 2
        for begin, end in pairwise(placed):
            length = math.hypot(end[0] - begin[0], end[1] - begin[1])
            if length > 0.0:
                nx, ny = (begin[1] - end[1]) / length * r, (end[0] - begin[0]) / length * r
                corners = (
                    (begin[0] + nx, begin[1] + ny),
                    (end[0] + nx, end[1] + ny),
                    (end[0] - nx, end[1] - ny),
                    (begin[0] - nx, begin[1] - ny),
                )
                self._draw.polygon([_whole(corner) for corner in corners], fill=colour)
        for x, y in placed:
            self._draw.ellipse(_whole((x - r, y - r, x + r, y + r)), fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, radius: float, colour: Colour) -> None:
        """A filled rectangle with round corners, turned with the frame."""
        points: list[Point] = []
        corners = (
            (x1 - radius, y0 + radius),
            (x1 - radius, y1 - radius),
            (x0 + radius, y1 - radius),
            (x0 + radius, y0 + radius),
        )
        for corner, (cx, cy) in enumerate(corners):
            for step in range(13):
                angle = math.radians(-90 + 90 * corner + 90 * step / 12)
                points.append((cx + radius * math.cos(angle), cy + radius * math.sin(angle)))
        self.shape(points, colour)

    def _place(self, point: Point) -> Point:
        return self._frames[-1].place(point)


def arc(x: float, y: float, rx: float, ry: float, begin: float, end: float, steps: int = 24) -> list[Point]:
    """Points along an ellipse, from one angle to another, in degrees, clockwise from the right."""
    angles = [math.radians(begin + (end - begin) * step / steps) for step in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def star(x: float, y: float, outer: float, inner: float, points: int, turn: float = 0.0) -> list[Point]:
    """The outline of a star."""
    outline: list[Point] = []
    for corner in range(points * 2):
        radius = outer if corner % 2 == 0 else inner
        angle = math.radians(turn - 90 + 180 * corner / points)
        outline.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return outline


def _whole(values: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(value) for value in values)
