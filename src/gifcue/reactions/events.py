"""The events of the reaction policy.

Every reaction has an id. Its events come in one of two orders:

    HOLDING … ▸ STARTED ▸ ENDED        the pose was held long enough
    HOLDING … ▸ CANCELLED              the pose ended too early

There is no HOLDING before STARTED if the dwell time is as short as the time between two frames.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase


class EndReason(enum.StrEnum):
    """Why the policy ends or cancels a reaction. The caller of `finish` gives a reason of its own instead."""

    RELEASED = "released"  # the pose is over
    NOT_ALLOWED = "not_allowed"  # the participant's labels changed
    SPEAKING = "speaking"  # the participant speaks, and hand gestures are suppressed meanwhile
    GAP = "gap"  # no frame for longer than `max_gap_s`
    CLOCK_JUMP = "clock_jump"  # media time went backwards
    NO_FRAMES = "no_frames"  # no result for too long, by the server's clock
    DISMISSED = "dismissed"  # the media server says that the reaction was not meant


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """One step of one reaction.

    `progress` is how much of the way to STARTED is done, 0..1, and 1 from then on. `score` is the mean of the
    detector's probabilities over the frames that showed the pose, 0..1. `box` is where the face or hand was last
    seen. `at_s` is media time in seconds. `reason` is set on ENDED and CANCELLED, and `cooldown_s` on ENDED: the
    seconds in which the label cannot start again.
    """

    phase: Phase
    reaction_id: str
    label: str
    progress: float
    score: float
    box: Box
    at_s: float
    reason: str = ""
    cooldown_s: float = 0.0
