"""The conditions of the reaction policy, and what of them a frame does not meet.

docs/explanations.md lists them for clients, with their units.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeAlias


class Condition(enum.StrEnum):
    """What a label needs to become a reaction, in the order in which the policy checks it.

    The comment states the unit of the value and of what is needed. `MOST` lists those whose value must not be larger
    than what is needed; that of all others must not be smaller.
    """

    LATE = "late"  # milliseconds that the frame is older than the one decided last
    COOLDOWN = "cooldown"  # milliseconds that are left
    SPEAKING = "speaking"  # 1 while the participant speaks
    ALREADY_SHOWN = "already_shown"  # milliseconds that a pose shown when the video began has been gone
    NO_REGION = "no_region"  # score of the best face or hand, 0..1
    SUBJECT = "subject"  # 1 for the subject's face and hands
    SCORE = "score"  # score of the label, 0..1
    TOP_LABEL = "top_label"  # the same; needed is the best score of another label of this face or hand
    SPEED = "speed"  # sizes of the face or hand a second
    HAND_AT_FACE = "hand_at_face"  # share of a hand's box at the chin or cheek, 0..1
    FACE_COVER = "face_cover"  # share of the hand's box over a face, 0..1
    HEIGHT = "height"  # how far the middle of the hand is above the chin, in heights of the face
    STILL = "still"  # swings of a hand that must keep still
    STALE = "stale"  # milliseconds that the pose was held
    MOTION = "motion"  # swings of the hand
    HOLD = "hold"  # milliseconds that the pose was held
    FRAMES = "frames"  # frames that showed the pose
    ANALYSED_FRAMES = "analysed_frames"  # of those, frames that were analysed
    FRAME_SHARE = "frame_share"  # share of the hold's frames that showed the pose, 0..1


MOST = frozenset(
    {
        Condition.LATE,
        Condition.COOLDOWN,
        Condition.SPEAKING,
        Condition.SPEED,
        Condition.FACE_COVER,
        Condition.STILL,
        Condition.STALE,
    }
)

# A condition that is not met, the value, and the value needed. A plain tuple: several are made for each frame, whether
# or not anybody asks for them.
Unmet: TypeAlias = tuple[Condition, float, float]

_ORDER = {condition: place for place, condition in enumerate(Condition)}


def nearest(unmet: Iterable[Unmet]) -> Unmet | None:
    """Of what several faces or hands do not meet, that of the one which came nearest to a reaction; None for nothing.

    That is the one whose first unmet condition comes last, and of several of these the one with the best value.
    """
    return max(unmet, key=_nearness, default=None)


def _nearness(unmet: Unmet) -> tuple[int, float]:
    condition, value, needed = unmet
    return _ORDER[condition], needed - value if condition in MOST else value - needed
