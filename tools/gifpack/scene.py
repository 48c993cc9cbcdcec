"""What the scenes of the default pack share: colours, courses over time, and small decorations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from tools.gifpack.canvas import Canvas, Colour, rgb, star

WHITE = rgb("#ffffff")
INK = rgb("#3b2f2f")
ROSE = rgb("#ff8f8f")
MINT = rgb("#bdebd7")
SKY = rgb("#bfe3ff")
PEACH = rgb("#ffd9c7")
LILAC = rgb("#dcd2ff")
LEMON = rgb("#fff0b8")
CORAL = rgb("#ff6f61")
TEAL = rgb("#2fae9b")
VIOLET = rgb("#7a5fd0")
GOLD = rgb("#ffb52e")


@dataclass(frozen=True, slots=True)
class Scene:
    """`frames` pictures, `frame_ms` milliseconds each; `scribble` paints one at a time 0..1.

    The first picture is at `begin`, because many viewers show only the first picture.
    """

    background: Colour
    scribble: Callable[[Canvas, float], None]
    frames: int = 20
    frame_ms: int = 75
    begin: float = 0.0

    def paint(self, time: float) -> Image.Image:
        canvas = Canvas(self.background)
        self.scribble(canvas, (time + self.begin) % 1.0)
        return canvas.finished()


def sway(time: float, times: int = 1, phase: float = 0.0) -> float:
    """A swing between -1 and 1 with `times` periods."""
    return math.sin(math.tau * (time * times + phase))


def ramp(time: float, begin: float, end: float) -> float:
    """0 before, 1 after, and a smooth step in between."""
    share = min(1.0, max(0.0, (time - begin) / (end - begin)))
    return share * share * (3.0 - 2.0 * share)


def pop(time: float, begin: float, end: float) -> float:
    """0 before, then an overshoot above 1 and back to 1."""
    share = min(1.0, max(0.0, (time - begin) / (end - begin)))
    return 1.0 - (1.0 - share) ** 2 * math.cos(share * 2.2 * math.pi) if share > 0.0 else 0.0


def sparkle(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """A star of four points."""
    if size > 0.5:
        canvas.shape(star(x, y, size, size * 0.34, 4), colour)


def burst(canvas: Canvas, time: float, begin: float, colours: tuple[Colour, ...]) -> None:
    """Dots that fly off in a ring and vanish."""
    share = (time - begin) / (0.95 - begin)
    if not 0.0 < share < 1.0:
        return
    for ray in range(12):
        angle = math.tau * ray / 12 + 0.2
        away = 88 + 30 * (1 - (1 - share) ** 2)
        size = (6.0 if ray % 2 else 4.0) * (1 - share)
        canvas.disc(
            120 + away * math.cos(angle), 118 + away * math.sin(angle), size, colours[ray % len(colours)]
        )


def rays(canvas: Canvas, colour: Colour, turn: float) -> None:
    """Ten rays from the middle to the edges, turned by `turn` degrees."""
    for ray in range(10):
        begin = math.radians(turn + 36 * ray)
        end = begin + math.radians(18)
        canvas.shape(
            [
                (120, 120),
                (120 + 190 * math.cos(begin), 120 + 190 * math.sin(begin)),
                (120 + 190 * math.cos(end), 120 + 190 * math.sin(end)),
            ],
            colour,
        )
