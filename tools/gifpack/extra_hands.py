"""The hands of the extra gestures, drawn like those of `tools.gifpack.hands`."""

from __future__ import annotations

from collections.abc import Sequence

from tools.gifpack.canvas import Canvas, Colour, Point, arc
from tools.gifpack.hands import EDGE, SHADE, SKIN, SLEEVE, arm

# Base, tip and width of a finger that is up.
Finger = tuple[Point, Point, float]

INDEX: Finger = ((-22, -2), (-30, -58), 18)
MIDDLE: Finger = ((-7, -6), (8, -62), 18)
LITTLE: Finger = ((26, 0), (38, -48), 16)
# Where the four knuckles of a fist are, from the index finger on.
KNUCKLES = (-24.0, -8.0, 9.0, 25.0)
# The thumb across the folded fingers.
FOLDED_THUMB: tuple[Point, ...] = ((-34, 26), (-14, 24), (6, 20))


def victory(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """Index and middle finger up and apart, the thumb over the others."""
    _hand(canvas, sleeve, [INDEX, MIDDLE], FOLDED_THUMB)


def rock(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """Index and little finger up, the thumb over the others."""
    _hand(canvas, sleeve, [INDEX, LITTLE], FOLDED_THUMB)


def call_me(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """Thumb and little finger out, the others folded."""
    thumb = ((-26, 26), (-50, 8), (-64, -14))
    _hand(canvas, sleeve, [((24, 6), (56, -26), 16)], thumb)


def fist(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """A fist, knuckles up."""
    _hand(canvas, sleeve, [], FOLDED_THUMB)


def _hand(canvas: Canvas, sleeve: Colour, fingers: Sequence[Finger], thumb: Sequence[Point]) -> None:
    """A hand with `fingers` up, seen from the palm."""
    arm(canvas, sleeve)
    is_out = thumb is not FOLDED_THUMB
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width + 2 * EDGE, SHADE)
    if is_out:
        canvas.stroke(thumb, 18 + 2 * EDGE, SHADE)
    canvas.box(-34 - EDGE, -16 - EDGE, 34 + EDGE, 50 + EDGE, 22, SHADE)
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width, SKIN)
    if is_out:
        canvas.stroke(thumb, 18, SKIN)
    canvas.box(-34, -16, 34, 50, 21, SKIN)
    up = [begin[0] for begin, _, _ in fingers]
    for knuckle in KNUCKLES:
        if any(abs(knuckle - each) < 4 for each in up):
            continue
        folded: list[Point] = [(knuckle, -10), (knuckle, 12)]
        canvas.stroke(folded, 16 + 2 * EDGE, SHADE)
        canvas.stroke(folded, 16, SKIN)
    if not is_out:
        canvas.stroke(thumb, 17 + 2 * EDGE, SHADE)
        canvas.stroke(thumb, 17, SKIN)
    canvas.stroke(arc(-10, 42, 26, 16, -70, -10), 2.6, SHADE)
