"""Hands that are drawn joint by joint, in the proportions of a real one: what the extra gestures look like."""

from __future__ import annotations

import numpy as np

from gifcue.gestures.samples import Floats

# The wrist is the origin, y points downwards, and the palm is about 1 long. The thumb of this hand is on the left.
KNUCKLES = ((-0.32, -0.95), (-0.05, -1.02), (0.2, -0.97), (0.42, -0.85))
# Directions of fingers that are spread, in degrees from upright.
SPREAD = (-10.0, -1.0, 8.0, 18.0)
# How far the joints of a straight finger are from its knuckle.
LENGTHS = (0.45, 0.72, 0.95)
# The joints of a folded finger from its knuckle: it rises towards the camera and comes back over the palm.
FOLDED = ((0.0, -0.18), (0.01, 0.14), (0.0, 0.3))
THUMBS = {
    "out": ((-0.32, -0.2), (-0.6, -0.42), (-0.86, -0.62), (-1.08, -0.78)),
    "over": ((-0.3, -0.2), (-0.5, -0.5), (-0.3, -0.68), (-0.05, -0.66)),
    "beside": ((-0.28, -0.2), (-0.48, -0.5), (-0.5, -0.82), (-0.48, -1.05)),
}
# Depth of the joints of a folded finger: they are nearer to the camera than the palm.
FOLDED_DEPTH = (-0.25, -0.3, -0.15)


def hand_shape(straight: str, thumb: str, turn: float = 0.0, spread: float = 1.0) -> Floats:
    """The landmarks [21, 3] of a hand in the middle of a square frame.

    Args:
        straight: which fingers are straight, by their first letters: i, m, r, l (index to little finger).
        thumb: a key of `THUMBS`.
        turn: degrees that the hand is turned clockwise.
        spread: how far straight fingers are spread; 1 as in an open hand.
    """
    points = [(0.0, 0.0, 0.0), *((x, y, 0.0) for x, y in THUMBS[thumb])]
    for letter, (x, y), way in zip("imrl", KNUCKLES, SPREAD, strict=True):
        points.append((x, y, 0.0))
        size = 0.8 if letter == "l" else 1.0
        if letter in straight:
            angle = np.radians(way * spread)
            points += [(x + r * size * np.sin(angle), y - r * size * np.cos(angle), 0.0) for r in LENGTHS]
        else:
            points += [
                (x + dx * size, y + dy * size, z) for (dx, dy), z in zip(FOLDED, FOLDED_DEPTH, strict=True)
            ]
    angle = np.radians(turn)
    turned = np.array(points) @ np.array(
        [[np.cos(angle), np.sin(angle), 0.0], [-np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    return np.asarray(0.5 + 0.12 * turned * (1.0, 1.0, 1.0) - (0.0, 0.0, 0.5), np.float32)


# Each extra gesture, and two that are like them.
SHAPES: dict[str, Floats] = {
    "victory": hand_shape("im", "over", spread=1.6),
    "thumbs_down": hand_shape("", "out", turn=-130.0),
    "rock": hand_shape("il", "over"),
    "call_me": hand_shape("l", "out"),
    "fist": hand_shape("", "over"),
    "raised_hand": hand_shape("imrl", "out"),
}
