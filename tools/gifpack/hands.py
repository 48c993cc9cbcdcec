"""Hands, each drawn around its centre, about 120 units high at a scale of 1, with the wrist at the bottom."""

from __future__ import annotations

from tools.gifpack.canvas import Canvas, Colour, Point, arc, rgb

SKIN = rgb("#ffcb4c")
SHADE = rgb("#e3a02c")
SLEEVE = rgb("#4a6cd4")
CUFF = rgb("#ffffff")
EDGE = 2.6  # units of shade around a finger


def open_palm(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """An open hand, fingers up, thumb to the left."""
    fingers: list[tuple[Point, Point, float]] = [
        ((-24, -2), (-36, -46), 17),
        ((-8, -8), (-13, -62), 18),
        ((9, -8), (12, -61), 18),
        ((25, -2), (36, -46), 16),
    ]
    thumb: list[Point] = [(-20, 34), (-43, 14), (-53, -4)]
    arm(canvas, sleeve)
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width + 2 * EDGE, SHADE)
    canvas.stroke(thumb, 18 + 2 * EDGE, SHADE)
    canvas.box(-34 - EDGE, -16 - EDGE, 34 + EDGE, 50 + EDGE, 24, SHADE)
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width, SKIN)
    canvas.stroke(thumb, 18, SKIN)
    canvas.box(-34, -16, 34, 50, 23, SKIN)
    canvas.stroke(arc(-14, 38, 24, 30, -80, -5), 2.6, SHADE)
    canvas.stroke([(-20, 4), (-2, 9), (16, 6)], 2.6, SHADE)


def thumbs_up(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """A fist with the thumb up, the arm from the left."""
    canvas.box(-150, 0, -44, 56, 8, sleeve)
    canvas.box(-56, -4, -40, 60, 7, CUFF)
    thumb: list[Point] = [(-22, 8), (-4, -22), (0, -52)]
    canvas.stroke(thumb, 27 + 2 * EDGE, SHADE)
    canvas.box(-42 - EDGE, -8 - EDGE, 24 + EDGE, 58 + EDGE, 18, SHADE)
    canvas.stroke(thumb, 27, SKIN)
    canvas.box(-42, -8, 24, 58, 17, SKIN)
    for row, right in enumerate((40, 44, 42, 35)):
        y = 0 + 17 * row
        canvas.stroke([(8, y), (right, y)], 17 + 2 * EDGE, SHADE)
        canvas.stroke([(8, y), (right, y)], 17, SKIN)
    # The back of the hand covers the bases of the fingers.
    canvas.box(-38, -6, 10, 56, 12, SKIN)
    canvas.stroke(arc(-22, 6, 22, 12, 5, 75), 2.6, SHADE)


def ok_hand(canvas: Canvas, sleeve: Colour = SLEEVE) -> None:
    """Thumb and index finger meet in a ring on the left, three fingers stand up."""
    fingers: list[tuple[Point, Point, float]] = [
        ((30, 4), (46, -40), 15),
        ((16, -4), (23, -59), 16.5),
        ((0, -4), (-2, -62), 17),
    ]
    arm(canvas, sleeve)
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width + 2 * EDGE, SHADE)
    canvas.box(-26 - EDGE, -14 - EDGE, 36 + EDGE, 50 + EDGE, 22, SHADE)
    for begin, end, width in fingers:
        canvas.stroke([begin, end], width, SKIN)
    canvas.box(-26, -14, 36, 50, 21, SKIN)
    index = [(0.0, -2.0), *arc(-28, -2, 23, 24, -40, -172)]
    thumb = [(-6.0, 34.0), *arc(-28, -2, 23, 25, 80, 172)]
    canvas.stroke(index, 15 + 2 * EDGE, SHADE)
    canvas.stroke(thumb, 16 + 2 * EDGE, SHADE)
    canvas.stroke(index, 15, SKIN)
    canvas.stroke(thumb, 16, SKIN)
    canvas.box(-2, -8, 34, 46, 16, SKIN)
    canvas.stroke([(-50.5, -7), (-49, 5)], 2.4, SHADE)
    canvas.stroke(arc(14, 44, 22, 20, -95, -20), 2.6, SHADE)


def arm(canvas: Canvas, sleeve: Colour) -> None:
    """A wrist, a cuff and a sleeve, from below."""
    canvas.box(-25, 52, 25, 128, 8, sleeve)
    canvas.box(-22, 36, 22, 66, 6, SHADE)
    canvas.box(-20, 36, 20, 66, 6, SKIN)
    canvas.box(-29, 62, 29, 78, 7, CUFF)
