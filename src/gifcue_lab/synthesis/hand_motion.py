"""The motion of a cut-out hand.

In: a `Still` with one hand, times in seconds, often a random generator. Out: a tuple of `Key` in ascending order of
time. Positions are in pixels of the photograph, relative to where the hand is in it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gifcue_lab.synthesis.cutouts import ELBOW_PALMS
from gifcue_lab.synthesis.script import Key
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.training.compositing import FINGERTIPS
from gifcue_lab.training.cutting import MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import Floats

# Largest rotation about the elbow, in degrees. Beyond it the arm would separate from the shoulder.
MAX_TURN_DEG = 22.0
# Smallest width of a wave in hand widths, also where there is less room.
MIN_TRAVEL = 0.6
# Tremble of a hand that is held still: standard deviation as a share of its width.
TREMBLE_SHARE = 0.015
# Seconds to raise a hand to a place and to lower it again.
TO_PLACE_S = 0.6


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


class Place(NamedTuple):
    """A place at a face to which a hand is raised.

    Attributes:
        x, y: least and most, in shares of the face's box; `x` may be mirrored.
        restless: standard deviation of the motion there, in the same unit: a hand that scratches moves more than one
            that holds a cup.
        by_top: whether the topmost point of the hand is meant and not the mean of the fingertips.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    restless: float = 0.01
    by_top: bool = False


# A cup is drawn above the topmost point of the hand, and so is at the mouth.
MOUTH = Place((0.5, 0.5), (1.2, 1.2), by_top=True)
CHEEK = Place((0.1, 0.1), (0.45, 0.75), restless=0.05)
HAIR = Place((-0.1, 0.5), (-0.35, -0.1), restless=0.06)
FOREHEAD = Place((0.25, 0.5), (0.0, 0.12), restless=0.03)
GLASSES = Place((-0.02, 0.12), (0.2, 0.32), restless=0.015)
NOSE = Place((0.45, 0.55), (0.5, 0.62), restless=0.03)
EAR = Place((-0.2, -0.08), (0.4, 0.6))
NECK = Place((0.1, 0.3), (1.25, 1.5), restless=0.04)


def at_place(
    still: Still, face: Floats, place: Place, from_s: float, there_s: float, rng: np.random.Generator
) -> tuple[Key, ...]:
    """Raises the hand to a place at a face, holds it there for `there_s` and lowers it.

    Takes `TO_PLACE_S` seconds more than `there_s`. `face` is (xmin, ymin, xmax, ymax) in pixels.
    """
    points = _points(still)
    top = points[list(FINGERTIPS)].mean(0)
    if place.by_top:
        # Fingers may be bent.
        top[1] = points[:, 1].min()
    width, height = face[2:] - face[:2]
    across, down = float(rng.uniform(*place.x)), float(rng.uniform(*place.y))
    # The side that the hand comes from, so that the arm does not cross the face.
    if float(points[:, 0].mean()) > float(face[0] + face[2]) / 2:
        across = 1.0 - across
    x, y = float(face[0] + across * width - top[0]), float(face[1] + down * height - top[1])
    under = float(still.photo.height - (points[:, 1].min() + y)) + 0.1 * still.photo.height
    lift_s = TO_PLACE_S / 2
    keys = [Key(from_s, x, y + under), Key(from_s + lift_s, x, y)]
    at_s = from_s + lift_s + 0.12
    while at_s < from_s + lift_s + there_s - 0.1:
        aside, over = (float(rng.normal(0, place.restless * size)) for size in (width, height))
        keys.append(Key(at_s, x + aside, y + over))
        at_s += 0.12
    keys += [Key(from_s + lift_s + there_s, x, y), Key(from_s + TO_PLACE_S + there_s, x, y + under)]
    return tuple(keys)


def beat(still: Still, from_s: float, to_s: float, rng: np.random.Generator) -> tuple[Key, ...]:
    """Moves the hand as somebody does who talks: raised, then beats mostly up and down, then lowered."""
    wide, high = hand_width(still), float(np.ptp(_points(still)[:, 1]))
    lift_s = TO_PLACE_S / 2
    keys = [*rise(still, from_s, lift_s)]
    at_s, side = from_s + lift_s, 0.0
    while at_s < to_s - lift_s - 0.5:
        at_s += float(rng.uniform(0.2, 0.55))
        turn = float(rng.normal(0, 6.0))
        side += float(rng.normal(0, 0.2)) * wide
        side *= 0.8
        keys.append(Key(at_s, side, float(rng.uniform(-0.25, 0.5)) * high, turn))
    return (*keys, *fall(still, to_s - lift_s, lift_s))


def type_keys(still: Still, from_s: float, to_s: float, rng: np.random.Generator) -> tuple[Key, ...]:
    """Holds the hand at the lower edge of the picture, where only its fingers are visible, and types."""
    points = _points(still)
    tall = float(np.ptp(points[:, 1]))
    under = still.photo.height - float(points[:, 1].min()) - float(rng.uniform(0.3, 0.6)) * tall
    reach, keys, at_s = 0.06 * tall, [Key(from_s, 0.0, below(still))], from_s + 0.3
    while at_s < to_s - 0.3:
        keys.append(Key(at_s, float(rng.normal(0, 2 * reach)), under + float(rng.uniform(-1, 1)) * reach))
        # Now and then a pause.
        at_s += float(rng.uniform(0.08, 0.2)) if rng.random() < 0.93 else float(rng.uniform(0.4, 1.5))
    return (*keys, Key(to_s, 0.0, below(still)))
