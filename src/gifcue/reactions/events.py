"""What the policy decides, as events.

Every reaction has an id of its own. Its events come in one of two orders:

    HOLDING … ▸ STARTED ▸ ENDED        it was meant
    HOLDING … ▸ CANCELLED              it broke off

HOLDING may be absent before STARTED, where the dwell is as short as the time between two frames.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase


class EndReason(enum.StrEnum):
    """Why the policy itself ends or cancels a reaction. `finish` brings the caller's own words."""

    RELEASED = "released"  # the pose is over
    NOT_ALLOWED = "not_allowed"  # the participant's labels changed
    SPEAKING = "speaking"  # a hold broke off since the participant speaks
    GAP = "gap"  # no frame for longer than anything may be believed
    CLOCK_JUMP = "clock_jump"  # media time went backwards


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """One step of one reaction.

    `progress` is the share of the way to STARTED, 0..1, and 1 from then on. `score` is the detector's
    probability averaged over the frames that showed the pose, 0..1. `box` is the face or hand where it was
    last seen. `at_s` is media time. `reason` is set on ENDED and CANCELLED.
    """

    phase: Phase
    reaction_id: str
    label: str
    progress: float
    score: float
    box: Box
    at_s: float
    reason: str = ""
