"""The motion of a cut-out hand.

In: a `Still` with one hand, times in seconds, often a random generator. Out: a tuple of `Key` in ascending order of
time. Positions are in pixels of the photograph, relative to where the hand is in it.
"""

from __future__ import annotations

import math

import numpy as np

from gifcue_lab.synthesis.cutouts import ELBOW_PALMS
from gifcue_lab.synthesis.script import Key
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.training.compositing import FINGERTIPS, MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import Floats

# Largest rotation about the elbow, in degrees. Beyond it the arm would separate from the shoulder.
MAX_TURN_DEG = 22.0
# Smallest width of a wave in hand widths, also where there is less room.
MIN_TRAVEL = 0.6
# Tremble of a hand that is held still: standard deviation as a share of its width.
TREMBLE_SHARE = 0.015


def _points(still: Still) -> Floats:
    points = still.hands[0].landmarks
    assert points is not None
    return np.asarray(points[:, :2], np.float32)


def hand_width(still: Still) -> float:
    """Pixels from the leftmost landmark to the rightmost."""
    return float(np.ptp(_points(still)[:, 0]))


def below(still: Still) -> float:
    """The distance in pixels by which the hand must move down to leave the picture."""
    return float(still.photo.height - _points(still)[:, 1].min() + 0.1 * still.photo.height)


def rise(still: Still, at_s: float, took_s: float) -> tuple[Key, ...]:
    """Raises the hand from below the picture to its place."""
    return Key(at_s, 0.0, below(still)), Key(at_s + took_s)


def fall(still: Still, at_s: float, took_s: float) -> tuple[Key, ...]:
    """Lowers the hand from its place until it has left the picture."""
    return Key(at_s), Key(at_s + took_s, 0.0, below(still))


def hold(still: Still, from_s: float, to_s: float, rng: np.random.Generator) -> tuple[Key, ...]:
    """Holds the hand in its place, with a tremble."""
    reach = TREMBLE_SHARE * hand_width(still)
    keys, at_s = [], from_s + 0.3
    while at_s < to_s - 0.2:
        keys.append(
            Key(at_s, float(rng.normal(0, reach)), float(rng.normal(0, reach)), float(rng.normal(0, 0.4)))
        )
        at_s += float(rng.uniform(0.2, 0.5))
    return tuple(keys)


def wave(
    still: Still, from_s: float, to_s: float, hz: float, travel: float, rng: np.random.Generator
) -> tuple[Key, ...]:
    """Moves the hand from side to side.

    Args:
        hz: full periods per second.
        travel: distance between the turning points, in hand widths.

    The arm turns about its elbow by up to `MAX_TURN_DEG`; the rest is a translation. The hand stays in the picture and
    beside the face where there is room, and travels less where there is not.
    """
    points = _points(still)
    palm = float(np.linalg.norm(points[WRIST] - points[MIDDLE_KNUCKLE]))
    reach = (ELBOW_PALMS + 1.0) * palm
    low, high = _room(still)
    wide = travel * hand_width(still)
    wide = min(wide, max(high - low, MIN_TRAVEL * hand_width(still)))
    middle = min(max(0.0, low + wide / 2), high - wide / 2) if high - low >= wide else (low + high) / 2
    keys, side, at_s = [], 1.0 if rng.random() < 0.5 else -1.0, from_s
    # The first swing starts in the middle, so it takes half the time.
    at_s += 0.25 / hz
    while at_s < to_s:
        half = side * 0.5 * wide * float(rng.uniform(0.88, 1.0))
        turn = math.asin(max(-1.0, min(1.0, half / reach)))
        turn = math.copysign(min(abs(turn), math.radians(MAX_TURN_DEG)), turn)
        keys.append(Key(at_s, middle + half - reach * math.sin(turn), 0.0, math.degrees(turn)))
        side = -side
        at_s += 0.5 / hz
    return tuple(keys)


def _room(still: Still) -> tuple[float, float]:
    """The least (negative) and largest displacement to the right, in pixels."""
    points = _points(still)
    left, right = float(points[:, 0].min()), float(points[:, 0].max())
    slack = 0.25 * (right - left)
    low, high = min(0.0, -left), max(0.0, still.photo.width - right)
    if still.face is not None:
        face_left, face_right = float(still.face.box[0]), float(still.face.box[2])
        if left + right < face_left + face_right:
            high = min(high, max(0.0, face_left + slack - right))
        else:
            low = max(low, min(0.0, face_right - slack - left))
    return low, high


def cross(still: Still, from_s: float, took_s: float, rng: np.random.Generator) -> tuple[Key, ...]:
    """Moves the hand through the picture from one side to the other."""
    points = _points(still)
    width = float(still.photo.width)
    lift = float(rng.uniform(-0.1, 0.15)) * still.photo.height
    edges = (-float(points[:, 0].max()) - 0.2 * width, width - float(points[:, 0].min()) + 0.2 * width)
    first, last = edges if rng.random() < 0.5 else edges[::-1]
    return Key(from_s, first, lift), Key(from_s + took_s, last, lift + float(rng.uniform(-20, 20)))


def touch(
    still: Still, face: Floats, from_s: float, there_s: float, rng: np.random.Generator, *, mouth: bool
) -> tuple[Key, ...]:
    """Raises the hand to a face, holds it there for `there_s` and lowers it; takes 0.6 s more than `there_s`.

    Args:
        face: (xmin, ymin, xmax, ymax) in pixels.
        mouth: the fingertips stay below the chin, so that a cup in the hand is at the mouth. Otherwise they scratch a
            cheek.
    """
    points = _points(still)
    top = points[list(FINGERTIPS)].mean(0)
    if mouth:
        # Fingers may be bent, and the cup is above the topmost point of the hand.
        top[1] = points[:, 1].min()
    width, height = face[2:] - face[:2]
    share = (0.5, 1.2) if mouth else ((0.1 if rng.random() < 0.5 else 0.9), float(rng.uniform(0.45, 0.75)))
    x, y = float(face[0] + share[0] * width - top[0]), float(face[1] + share[1] * height - top[1])
    down = float(still.photo.height - (points[:, 1].min() + y)) + 0.1 * still.photo.height
    keys = [Key(from_s, x, y + down), Key(from_s + 0.3, x, y)]
    at_s = from_s + 0.3 + 0.12
    while at_s < from_s + 0.3 + there_s - 0.1:
        # A hand that scratches moves more than one that holds a cup.
        scratch = 0.01 if mouth else 0.05
        keys.append(
            Key(at_s, x + float(rng.normal(0, scratch * width)), y + float(rng.normal(0, scratch * height)))
        )
        at_s += 0.12
    keys += [Key(from_s + 0.3 + there_s, x, y), Key(from_s + 0.6 + there_s, x, y + down)]
    return tuple(keys)
