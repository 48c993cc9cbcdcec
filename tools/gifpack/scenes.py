"""The scenes of the default pack. Each paints its picture at a time from 0 to 1; the end equals the beginning."""

from __future__ import annotations

import math

from tools.gifpack.canvas import Canvas, arc, mix, rgb, star
from tools.gifpack.hands import SHADE, SKIN, ok_hand, open_palm, thumbs_up
from tools.gifpack.scene import (
    CORAL,
    GOLD,
    INK,
    LEMON,
    LILAC,
    MINT,
    PEACH,
    ROSE,
    SKY,
    TEAL,
    VIOLET,
    WHITE,
    Scene,
    burst,
    pop,
    ramp,
    rays,
    sparkle,
    sway,
)

BEAR = rgb("#b5794a")
BEAR_DARK = rgb("#8f5b33")
BEAR_LIGHT = rgb("#f0d2ae")
STEEL = rgb("#8794b8")
STEEL_DARK = rgb("#66739a")


def _eye(
    canvas: Canvas, x: float, y: float, openness: float, look_x: float = 0.0, look_y: float = 0.0
) -> None:
    if openness < 0.25:
        canvas.stroke([(x - 8, y), (x, y + 2.5), (x + 8, y)], 5, INK)
        return
    canvas.oval(x + look_x, y + look_y, 7.5, 11 * openness, INK)
    if openness > 0.7:
        canvas.disc(x + look_x + 2.4, y + look_y - 4.2, 2.6, WHITE)


def _blink(time: float, at: float) -> float:
    return min(1.0, abs(time - at) / 0.05)


def smile_face(canvas: Canvas, time: float) -> None:
    """A face that breaks into a smile, and blushes."""
    joy = ramp(time, 0.12, 0.34) * (1 - ramp(time, 0.88, 1.0))
    canvas.oval(120, 208, 62, 9, mix(SKY, INK, 0.12))
    with canvas.at(120, 120 - 5 * joy * abs(sway(time, 2)), 3 * joy * sway(time, 2)):
        canvas.disc(0, 0, 80, SHADE)
        canvas.disc(0, 0, 76, SKIN)
        for side in (-1, 1):
            canvas.oval(side * 50, 18, 14 * joy, 9 * joy, mix(SKIN, ROSE, 0.8))
            if joy > 0.6:
                canvas.stroke(arc(side * 28, -8, 11, 11, 200, 340), 6, INK)
            else:
                _eye(canvas, side * 28, -14, 1.0)
        width, depth = 24 + 16 * joy, 4 + 32 * joy
        if joy > 0.3:
            canvas.shape(arc(0, 14, width, depth, 0, 180), INK)
            canvas.shape(arc(0, 14 + depth * 0.62, width * 0.55, depth * 0.34, 0, 360), CORAL)
            canvas.box(-width * 0.78, 13, width * 0.78, 14 + depth * 0.24, 3, WHITE)
        else:
            canvas.stroke(arc(0, 22 - depth, width, depth * 1.6, 20, 160), 6, INK)
    for x, y, at in ((36, 62, 0.4), (206, 54, 0.5), (212, 168, 0.62), (30, 172, 0.7)):
        sparkle(canvas, x, y, 13 * max(0.0, math.sin(math.pi * min(1.0, max(0.0, (time - at) / 0.3)))), WHITE)


def smile_sun(canvas: Canvas, time: float) -> None:
    """A sun that turns its rays and beams over a hill."""
    rise = 4 * sway(time)
    with canvas.at(120, 112 + rise):
        for ray in range(12):
            with canvas.at(0, 0, 30 * ray + 30 * time):
                reach = 92 if ray % 2 else 82
                canvas.shape([(-11, -60), (11, -60), (0, -reach - 3 * sway(time, 2))], GOLD)
        canvas.disc(0, 0, 64, rgb("#ffd65c"))
        openness = _blink(time, 0.5)
        for side in (-1, 1):
            _eye(canvas, side * 22, -10, openness)
            canvas.oval(side * 38, 12, 10, 7, mix(SKIN, CORAL, 0.55))
        canvas.stroke(arc(0, 6, 24, 21 + 3 * sway(time), 15, 165), 6, INK)
    canvas.oval(54, 262, 150, 66, rgb("#7fcf9a"))
    canvas.oval(200, 270, 140, 62, rgb("#5dbb82"))


def thinking_face(canvas: Canvas, time: float) -> None:
    """A face with its hand at the chin, and the dots of a thought that appear and vanish."""
    look = 7 * max(-1.0, min(1.0, 1.8 * sway(time)))
    with canvas.at(112, 128, 2.5 * sway(time)):
        canvas.disc(0, 0, 80, SHADE)
        canvas.disc(0, 0, 76, SKIN)
        openness = _blink(time, 0.25)
        for side in (-1, 1):
            canvas.oval(side * 27, -12, 13, 15, WHITE)
            if openness < 0.3:
                canvas.oval(side * 27, -12, 13.5, 15.5, SKIN)
                canvas.stroke([(side * 27 - 10, -10), (side * 27 + 10, -10)], 5, INK)
            else:
                canvas.disc(side * 27 + look, -18, 6.5, INK)
        canvas.stroke([(-42, -36), (-16, -38)], 6, INK)
        lift = 4 + 4 * sway(time)
        canvas.stroke(arc(28, -34 - lift, 15, 9, 200, 340), 6, INK)
        canvas.stroke([(-14, 30), (6, 26), (22, 29)], 6, INK)
        tap = 2.5 * max(0.0, sway(time, 3))
        finger = [(-40.0, 70.0), (-8.0, 52.0 - tap), (14.0, 46.0 - tap)]
        thumb = [(-44.0, 72.0), (-58.0, 52.0), (-62.0, 38.0)]
        for width, colour in ((22.0, SHADE), (16.5, SKIN)):
            canvas.stroke(thumb, width, colour)
            canvas.box(
                -62 - (width - 16.5) / 2, 58 - (width - 16.5) / 2, -8 + (width - 16.5) / 2, 100, 16, colour
            )
            canvas.stroke(finger, width, colour)
        for row in range(2):
            canvas.stroke([(-30, 75 + 13 * row), (-11, 75 + 13 * row)], 2.6, SHADE)
    for place, (x, y, size) in enumerate(((180, 66, 6), (196, 46, 8.5), (214, 20, 12))):
        shown = pop(time, 0.12 + 0.13 * place, 0.3 + 0.13 * place) * (1 - ramp(time, 0.86, 0.96))
        if shown > 0.05:
            canvas.disc(x, y, size * shown, WHITE)


def thinking_bulb(canvas: Canvas, time: float) -> None:
    """Cogs turn until the bulb lights up."""
    light = ramp(time, 0.5, 0.58) * (1 - ramp(time, 0.92, 1.0))
    for x, y, teeth, radius, turn, colour in (
        (66, 172, 10, 38, 72 * time, STEEL),
        (138, 192, 8, 29, -90 * time + 12, STEEL_DARK),
        (188, 148, 8, 25, 90 * time + 34, STEEL),
    ):
        with canvas.at(x, y, turn):
            for tooth in range(teeth):
                with canvas.at(0, 0, 360 / teeth * tooth):
                    canvas.box(-6.5, -radius - 9, 6.5, -radius + 8, 3, colour)
            canvas.disc(0, 0, radius, colour)
            canvas.disc(0, 0, radius * 0.36, LILAC)
    with canvas.at(120, 78, 4 * light * sway(time, 6)):
        for ray in range(9):
            angle = math.radians(-190 + 200 / 8 * ray)
            begin, end = 52, 52 + 16 * light
            if light > 0.1:
                canvas.stroke(
                    [
                        (begin * math.cos(angle), begin * math.sin(angle)),
                        (end * math.cos(angle), end * math.sin(angle)),
                    ],
                    6,
                    GOLD,
                )
        glass = mix(rgb("#f4f1ff"), rgb("#ffe066"), light)
        canvas.box(-15, 22, 15, 54, 6, STEEL_DARK)
        canvas.disc(0, 0, 42, mix(glass, STEEL_DARK, 0.35))
        canvas.disc(0, 0, 39, glass)
        canvas.shape([(-26, 24), (26, 24), (16, 42), (-16, 42)], glass)
        canvas.stroke(
            [(-9, 34), (-12, 8), (-5, 15), (0, 7), (5, 15), (12, 8), (9, 34)], 3.4, mix(STEEL, CORAL, light)
        )
        canvas.stroke([(-13, 45), (13, 45)], 3, LILAC)
        canvas.stroke([(-11, 52), (11, 52)], 3, LILAC)
        canvas.stroke(arc(0, 0, 29, 29, 195, 240), 5, WHITE)


def wave_hand(canvas: Canvas, time: float) -> None:
    """A waving hand with lines of motion."""
    swing = sway(time)
    for side in (-1, 1):
        strength = max(0.0, side * sway(time, 1, 0.08))
        for ring in range(2):
            colour = mix(MINT, WHITE, 0.95 * strength)
            middle = -90 + side * 62
            canvas.stroke(
                arc(120, 182, 106 + 17 * ring, 106 + 17 * ring, middle - 10, middle + 10), 6, colour
            )
    with canvas.at(120, 226, 17 * swing), canvas.at(0, -86, 0, 1.18):
        open_palm(canvas, CORAL)


def wave_bear(canvas: Canvas, time: float) -> None:
    """A bear that looks over the edge and waves."""
    hop = 5 * abs(sway(time, 2))
    with canvas.at(112, 142 - hop, 3 * sway(time, 2)):
        for side in (-1, 1):
            canvas.disc(side * 50, -60, 25, BEAR_DARK)
            canvas.disc(side * 50, -60, 21, BEAR)
            canvas.disc(side * 50, -60, 12, BEAR_LIGHT)
        canvas.oval(0, 96, 84, 74, BEAR_DARK)
        canvas.oval(0, 98, 81, 72, BEAR)
        canvas.oval(0, -8, 79, 70, BEAR_DARK)
        canvas.oval(0, -8, 76, 67, BEAR)
        canvas.oval(0, 18, 38, 30, BEAR_LIGHT)
        canvas.oval(0, 4, 13, 9, INK)
        canvas.stroke([(0, 10), (0, 20)], 4, INK)
        canvas.shape(arc(0, 20, 15, 18, 0, 180), INK)
        canvas.shape(arc(0, 30, 9, 7, 0, 360), CORAL)
        openness = _blink(time, 0.66)
        for side in (-1, 1):
            _eye(canvas, side * 33, -18, openness)
            canvas.oval(side * 56, 10, 11, 7, mix(BEAR, ROSE, 0.7))
    with canvas.at(178, 190 - hop, 8 + 18 * sway(time, 2)):
        for width, colour in ((44, BEAR_DARK), (38, BEAR)):
            canvas.stroke([(-8, 24), (8, -52)], width, colour)
        canvas.disc(9, -62, 26, BEAR_DARK)
        canvas.disc(9, -62, 23, BEAR)
        canvas.oval(9, -56, 11, 9, BEAR_LIGHT)
        for toe in (-11, 0, 11):
            canvas.disc(9 + toe, -71 - (3 if toe == 0 else 0), 4.6, BEAR_LIGHT)
    canvas.box(-10, 216, 250, 260, 4, TEAL)
    canvas.box(-10, 212, 250, 222, 4, mix(TEAL, WHITE, 0.35))


def ok_pop(canvas: Canvas, time: float) -> None:
    """An OK hand that springs up, with a twinkle in the ring."""
    up = pop(time, 0.0, 0.35) * (1 - ramp(time, 0.93, 1.0))
    canvas.disc(120, 118, 94 * min(1.0, 0.86 + 0.14 * up), mix(PEACH, WHITE, 0.55))
    nod = 6 * math.sin(math.tau * max(0.0, min(1.0, (time - 0.36) / 0.3)))
    with canvas.at(124, 250 - 118 * up, nod, 1.16):
        ok_hand(canvas, TEAL)
    if 0.4 < time < 0.88:
        glow = math.sin(math.pi * (time - 0.4) / 0.48)
        sparkle(canvas, 62, 66, 26 * glow, GOLD)
        sparkle(canvas, 62, 66, 13 * glow, WHITE)
    burst(canvas, time, 0.3, (TEAL, CORAL, GOLD))


def ok_stamp(canvas: Canvas, time: float) -> None:
    """An OK hand on a badge, before rays."""
    rays(canvas, mix(LEMON, GOLD, 0.32), 9)
    with canvas.at(120, 120):
        canvas.shape(star(0, 0, 96, 85, 18, 20 * time), CORAL)
        canvas.disc(0, 0, 76, mix(CORAL, WHITE, 0.82))
        with canvas.inside(0, 0, 76), canvas.at(4, 8, 5 * sway(time), 0.86):
            ok_hand(canvas, VIOLET)


def thumbs_pop(canvas: Canvas, time: float) -> None:
    """A thumb that goes up, with confetti."""
    up = pop(time, 0.0, 0.36) * (1 - ramp(time, 0.93, 1.0))
    canvas.disc(120, 118, 94 * min(1.0, 0.86 + 0.14 * up), mix(SKY, WHITE, 0.55))
    tilt = 46 * (1 - up) + 5 * sway(time, 2) * ramp(time, 0.36, 0.46)
    with canvas.at(124, 116 + 60 * (1 - up), tilt, 0.62 + 0.6 * up):
        thumbs_up(canvas)
    burst(canvas, time, 0.28, (CORAL, GOLD, TEAL))


def thumbs_medal(canvas: Canvas, time: float) -> None:
    """A thumb on a medal, before rays."""
    rays(canvas, mix(LILAC, VIOLET, 0.22), 9)
    bounce = abs(sway(time, 1))
    with canvas.at(120, 112 - 6 * bounce):
        for side in (-1, 1):
            with canvas.at(side * 30, 66, side * -16):
                canvas.shape(
                    [(-19, 0), (19, 0), (19, 62), (0, 48), (-19, 62)],
                    CORAL if side < 0 else mix(CORAL, INK, 0.2),
                )
        canvas.shape(star(0, 0, 90, 80, 16), GOLD)
        canvas.disc(0, 0, 72, rgb("#fff3cf"))
        with canvas.inside(0, 0, 72), canvas.at(4, 2, -6 + 10 * bounce, 0.84):
            thumbs_up(canvas, VIOLET)
    for x, y, at in ((34, 46, 0.1), (208, 40, 0.4), (216, 150, 0.6)):
        share = (time - at) % 1.0
        sparkle(canvas, x, y, 13 * max(0.0, math.sin(math.pi * min(1.0, share / 0.4))), WHITE)


OWN_SCENES: dict[str, Scene] = {
    "smile_1": Scene(SKY, smile_face, begin=0.45),
    "smile_2": Scene(rgb("#a9dcf7"), smile_sun),
    "thinking_1": Scene(PEACH, thinking_face, begin=0.6),
    "thinking_2": Scene(LILAC, thinking_bulb, begin=0.7),
    "wave_1": Scene(MINT, wave_hand, frames=12, frame_ms=60),
    "wave_2": Scene(LEMON, wave_bear, frames=12, frame_ms=110, begin=0.02),
    "ok_hand_1": Scene(PEACH, ok_pop, frames=16, frame_ms=90, begin=0.6),
    "ok_hand_2": Scene(LEMON, ok_stamp, frames=16),
    "thumbs_up_1": Scene(SKY, thumbs_pop, begin=0.5),
    "thumbs_up_2": Scene(LILAC, thumbs_medal, frames=14, frame_ms=80),
}
