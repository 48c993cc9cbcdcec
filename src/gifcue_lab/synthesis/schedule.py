"""What happens when: deals a participant's minute out of what the person's photographs can show.

Most of the time nobody means anything. What is meant is held long enough for the policy, and far enough from the
last of its label for the cooldown to be over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gifcue_lab.synthesis import distractors
from gifcue_lab.synthesis.builder import AFTER_S, Desk
from gifcue_lab.synthesis.positives import meant
from gifcue_lab.synthesis.script import Segment

# The nothing between two things that happen, and before the first.
IDLE_S = (1.8, 6.0)
# Nothing begins so close to the end.
LAST_S = 2.0


class Happening(NamedTuple):
    """One thing that can happen, and how often it is tried, of all."""

    add: Callable[[Desk, float], bool]
    weight: float


HAPPENINGS = (
    Happening(meant, 16.0),
    Happening(distractors.palm, 1.2),
    Happening(distractors.flicker, 2.0),
    Happening(distractors.dropped, 2.0),
    Happening(distractors.passing, 2.0),
    Happening(distractors.touch, 1.6),
    Happening(distractors.drink, 1.2),
    Happening(distractors.other_hand, 1.6),
    Happening(distractors.light, 1.6),
    Happening(distractors.guest, 1.2),
    Happening(distractors.talk, 2.2),
    Happening(distractors.visitor, 0.8),
    Happening(distractors.clip, 0.8),
)


def deal(desk: Desk, seconds: float) -> tuple[Segment, ...]:
    """The segments of `seconds`, without a gap."""
    weights = np.array([each.weight for each in HAPPENINGS])
    desk.idle(min(desk.between(*IDLE_S), seconds))
    while desk.now_s < seconds - LAST_S:
        happening = HAPPENINGS[int(desk.rng.choice(len(HAPPENINGS), p=weights / weights.sum()))]
        # What happens comes to its end before the sequence does, with the grace of what it may start.
        happening.add(desk, seconds - AFTER_S)
        desk.idle(min(desk.between(*IDLE_S), seconds - desk.now_s))
    if desk.now_s < seconds:
        desk.idle(seconds - desk.now_s)
    return tuple(desk.segments)
