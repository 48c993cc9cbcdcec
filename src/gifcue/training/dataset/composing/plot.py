"""What happens when: deals a participant's minute out of what the person's photographs can show.

Most of the time nobody means anything. What is meant is held long enough for the policy, and far enough from the
last of its label for the cooldown to be over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gifcue.training.dataset.composing import unmeant
from gifcue.training.dataset.composing.desk import AFTER_S, Desk
from gifcue.training.dataset.composing.meant import meant
from gifcue.training.dataset.composing.script import Segment

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
    Happening(unmeant.palm, 1.2),
    Happening(unmeant.flicker, 2.0),
    Happening(unmeant.dropped, 2.0),
    Happening(unmeant.passing, 2.0),
    Happening(unmeant.touch, 1.6),
    Happening(unmeant.drink, 1.2),
    Happening(unmeant.other_hand, 1.6),
    Happening(unmeant.light, 1.6),
    Happening(unmeant.guest, 1.2),
    Happening(unmeant.talk, 2.2),
    Happening(unmeant.visitor, 0.8),
    Happening(unmeant.clip, 0.8),
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
