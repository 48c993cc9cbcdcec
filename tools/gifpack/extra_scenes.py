"""The scenes of the extra gestures, one each."""

from __future__ import annotations

import math

from tools.gifpack.canvas import Canvas, mix, rgb
from tools.gifpack.extra_hands import call_me, fist, rock, victory
from tools.gifpack.hands import SHADE, SKIN, open_palm, thumbs_up
from tools.gifpack.scene import (
    CORAL,
    GOLD,
    INK,
    LEMON,
    LILAC,
    MINT,
    PEACH,
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


def victory_pop(canvas: Canvas, time: float) -> None:
    """Two fingers spring up, with confetti."""
    up = pop(time, 0.0, 0.35) * (1 - ramp(time, 0.93, 1.0))
    canvas.disc(120, 118, 94 * min(1.0, 0.86 + 0.14 * up), mix(MINT, WHITE, 0.55))
    with canvas.at(118, 252 - 118 * up, 6 * sway(time, 2) * ramp(time, 0.36, 0.46), 1.16):
        victory(canvas, VIOLET)
    burst(canvas, time, 0.3, (VIOLET, CORAL, GOLD))


def thumb_sinks(canvas: Canvas, time: float) -> None:
    """A thumb turns down and nods."""
    down = ramp(time, 0.05, 0.3) * (1 - ramp(time, 0.9, 1.0))
    canvas.disc(120, 118, 94, mix(SKY, WHITE, 0.5))
    with canvas.at(112, 108 + 12 * down + 5 * down * sway(time, 3), 125 + 55 * down, 1.1):
        thumbs_up(canvas, TEAL)


def rock_shake(canvas: Canvas, time: float) -> None:
    """Horns that shake to the beat, before rays."""
    rays(canvas, mix(LILAC, VIOLET, 0.28), 9)
    beat = abs(sway(time, 2))
    for side in (-1, 1):
        strength = max(0.0, side * sway(time, 2, 0.1))
        canvas.stroke([(120 + side * 84, 74), (120 + side * 98, 60)], 6, mix(LILAC, WHITE, strength))
        canvas.stroke([(120 + side * 90, 100), (120 + side * 108, 98)], 6, mix(LILAC, WHITE, strength))
    with canvas.at(120, 226, 9 * sway(time, 2)), canvas.at(0, -92 - 6 * beat, 0, 1.16):
        rock(canvas, INK)


def call_me_ring(canvas: Canvas, time: float) -> None:
    """Thumb and little finger shake like a telephone that rings."""
    ringing = 0.25 + 0.75 * ramp(time, 0.1, 0.16) * (1 - ramp(time, 0.6, 0.7))
    for ring in range(3):
        share = (time * 2 + ring / 3) % 1.0
        colour = mix(PEACH, CORAL, ringing * (1 - share))
        canvas.disc(120, 120, 70 + 44 * share, colour)
        canvas.disc(120, 120, 64 + 44 * share, PEACH)
    canvas.disc(120, 120, 84, mix(PEACH, WHITE, 0.5))
    with canvas.at(122, 128, 24 + 9 * ringing * sway(time, 8), 1.06):
        call_me(canvas, CORAL)


def fist_bump(canvas: Canvas, time: float) -> None:
    """A fist comes up and bumps, with sparks."""
    bump = math.sin(math.pi * ramp(time, 0.2, 0.5)) + 0.4 * math.sin(math.pi * ramp(time, 0.5, 0.7))
    canvas.disc(120, 118, 94, mix(LEMON, WHITE, 0.5))
    with canvas.at(120, 140 - 26 * bump, 4 * sway(time), 1.2):
        fist(canvas, TEAL)
    for x, y, turn in ((52, 66, 0.0), (188, 66, 0.05), (120, 30, 0.02)):
        glow = max(0.0, math.sin(math.pi * min(1.0, max(0.0, (time - 0.32 - turn) / 0.3))))
        sparkle(canvas, x, y, 18 * glow, GOLD)


def hand_goes_up(canvas: Canvas, time: float) -> None:
    """Somebody raises a hand beside the head, and keeps it there."""
    up = ramp(time, 0.08, 0.32) * (1 - ramp(time, 0.9, 1.0))
    with canvas.at(176, 236 - 108 * up, 3 * up * sway(time), 0.86):
        open_palm(canvas, TEAL)
    canvas.oval(98, 250, 84, 62, TEAL)
    canvas.disc(98, 136, 56, SHADE)
    canvas.disc(98, 136, 53, SKIN)
    look = 4 * up
    for side in (-1, 1):
        canvas.oval(98 + side * 19 + look, 128 - look, 5.5, 8, INK)
    canvas.stroke([(84, 156), (98, 160), (112, 156)], 5, INK)


EXTRA_SCENES: dict[str, Scene] = {
    "victory_1": Scene(MINT, victory_pop, frames=14, frame_ms=90, begin=0.6),
    "thumbs_down_1": Scene(SKY, thumb_sinks, frames=14, frame_ms=90, begin=0.5),
    "rock_1": Scene(LILAC, rock_shake, frames=10, frame_ms=80),
    "call_me_1": Scene(PEACH, call_me_ring, frames=11, frame_ms=100, begin=0.3),
    "fist_1": Scene(rgb("#ffe7a3"), fist_bump, frames=12, frame_ms=80, begin=0.35),
    "raised_hand_1": Scene(LEMON, hand_goes_up, frames=14, frame_ms=90, begin=0.6),
}
