"""Chooses what happens in a sequence, and when.

In: a `SequenceBuilder` and the length in seconds. Out: a tuple of `Segment`, without gaps. Idle time alternates with
segments of random types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gifcue_lab.synthesis import distractors
from gifcue_lab.synthesis.builder import AFTER_S, SequenceBuilder
from gifcue_lab.synthesis.positives import positive
from gifcue_lab.synthesis.script import Segment

# Least and most seconds of idle time before and between segments.
IDLE_S = (1.8, 6.0)
# No segment begins this close to the end.
LAST_S = 2.0


class SegmentType(NamedTuple):
    """A type of segment: the function that adds it to a builder, and its weight in the random choice."""

    add: Callable[[SequenceBuilder, float], bool]
    weight: float


SEGMENT_TYPES = (
    SegmentType(positive, 16.0),
    SegmentType(distractors.palm, 1.2),
    SegmentType(distractors.flicker, 2.0),
    SegmentType(distractors.dropped, 2.0),
    SegmentType(distractors.passing, 2.0),
    SegmentType(distractors.touch, 1.6),
    SegmentType(distractors.drink, 1.2),
    SegmentType(distractors.other_hand, 1.6),
    SegmentType(distractors.light, 1.6),
    SegmentType(distractors.guest, 1.2),
    SegmentType(distractors.talk, 2.2),
    SegmentType(distractors.visitor, 0.8),
    SegmentType(distractors.clip, 0.8),
)


def schedule_segments(builder: SequenceBuilder, seconds: float) -> tuple[Segment, ...]:
    """Fills the builder with `seconds` of segments."""
    weights = np.array([each.weight for each in SEGMENT_TYPES])
    builder.idle(min(builder.between(*IDLE_S), seconds))
    while builder.now_s < seconds - LAST_S:
        segment_type = SEGMENT_TYPES[int(builder.rng.choice(len(SEGMENT_TYPES), p=weights / weights.sum()))]
        # A reaction may start after its segment, and must still do so within the sequence.
        segment_type.add(builder, seconds - AFTER_S)
        builder.idle(min(builder.between(*IDLE_S), seconds - builder.now_s))
    if builder.now_s < seconds:
        builder.idle(seconds - builder.now_s)
    return tuple(builder.segments)
