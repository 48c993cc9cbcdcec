"""How a cut-out hand moves: keys in pixels of its photograph, (0, 0) where it was taken."""

from __future__ import annotations

import math

import numpy as np

from gifcue_lab.synthesis.cutouts import ELBOW_PALMS
from gifcue_lab.synthesis.script import Key
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.training.compositing import FINGERTIPS, MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import Floats

# Degrees beyond which an arm that turns about its elbow would leave the shoulder.
MAX_TURN_DEG = 22.0
# A wave is no less wide than this, in hand widths, whatever is in its way.
MIN_TRAVEL = 0.6
# A hand that is held still trembles by this share of its width.
TREMBLE_SHARE = 0.015


def _points(still: Still) -> Floats:
    points = still.hands[0].landmarks
    assert points is not None
    return np.asarray(points[:, :2], np.float32)


def hand_width(still: Still) -> float:
    """Pixels from the leftmost landmark to the rightmost."""
    return float(np.ptp(_points(still)[:, 0]))


def below(still: Still) -> float:
    """How far down the hand is out of the picture."""
    return float(still.photo.height - _points(still)[:, 1].min() + 0.1 * still.photo.height)


def rise(still: Still, at_s: float, took_s: float) -> tuple[Key, ...]:
    """Up from below the picture to its place."""
    return Key(at_s, 0.0, below(still)), Key(at_s + took_s)


def fall(still: Still, at_s: float, took_s: float) -> tuple[Key, ...]:
    """From its place down and out."""
    return Key(at_s), Key(at_s + took_s, 0.0, below(still))


def hold(still: Still, from_s: float, to_s: float, rng: np.random.Generator) -> tuple[Key, ...]:
    """Held in its place, trembling."""
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
    """From side to side, `hz` times a second there and back, `travel` hand widths from turning point to turning point.

    The arm turns about its elbow; what that may not reach, the whole arm moves. The hand stays in the picture and
    beside the face as far as there is room, and travels less where there is little.
    """
    points = _points(still)
    palm = float(np.linalg.norm(points[WRIST] - points[MIDDLE_KNUCKLE]))
    reach = (ELBOW_PALMS + 1.0) * palm
    low, high = _room(still)
    wide = travel * hand_width(still)
    wide = min(wide, max(high - low, MIN_TRAVEL * hand_width(still)))
    middle = min(max(0.0, low + wide / 2), high - wide / 2) if high - low >= wide else (low + high) / 2
    keys, side, at_s = [], 1.0 if rng.random() < 0.5 else -1.0, from_s
    # The first swing comes from the middle: half as long, half as wide.
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
    """How far to the left (negative) and to the right the hand may move: pixels of its middle."""
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
    """Through the picture from one side to the other."""
    points = _points(still)
    width = float(still.photo.width)
    lift = float(rng.uniform(-0.1, 0.15)) * still.photo.height
    edges = (-float(points[:, 0].max()) - 0.2 * width, width - float(points[:, 0].min()) + 0.2 * width)
    first, last = edges if rng.random() < 0.5 else edges[::-1]
    return Key(from_s, first, lift), Key(from_s + took_s, last, lift + float(rng.uniform(-20, 20)))


def touch(
    still: Still, face: Floats, from_s: float, there_s: float, rng: np.random.Generator, *, mouth: bool
) -> tuple[Key, ...]:
    """Up to a face (xmin, ymin, xmax, ymax), there for a while, and down again.

    The fingertips come to a cheek, or below the chin, so that what they hold is at the mouth. Takes 0.6 s more
    than `there_s`.
    """
    points = _points(still)
    top = points[list(FINGERTIPS)].mean(0)
    if mouth:
        # Fingers may be bent: what they hold is over the hand's top.
        top[1] = points[:, 1].min()
    width, height = face[2:] - face[:2]
    share = (0.5, 1.2) if mouth else ((0.1 if rng.random() < 0.5 else 0.9), float(rng.uniform(0.45, 0.75)))
    x, y = float(face[0] + share[0] * width - top[0]), float(face[1] + share[1] * height - top[1])
    down = float(still.photo.height - (points[:, 1].min() + y)) + 0.1 * still.photo.height
    keys = [Key(from_s, x, y + down), Key(from_s + 0.3, x, y)]
    at_s = from_s + 0.3 + 0.12
    while at_s < from_s + 0.3 + there_s - 0.1:
        # Scratching; whoever drinks holds still.
        scratch = 0.01 if mouth else 0.05
        keys.append(
            Key(at_s, x + float(rng.normal(0, scratch * width)), y + float(rng.normal(0, scratch * height)))
        )
        at_s += 0.12
    keys += [Key(from_s + 0.3 + there_s, x, y), Key(from_s + 0.6 + there_s, x, y + down)]
    return tuple(keys)
