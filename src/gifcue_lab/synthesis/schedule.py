"""Chooses what happens in a sequence, and when.

In: a `SequenceBuilder`, the length in seconds and a `Mix`. Out: a tuple of `Segment`, without gaps. Idle time
alternates with segments of random types.
"""

from __future__ import annotations

import numpy as np

from gifcue_lab.synthesis.builder import AFTER_S, SequenceBuilder
from gifcue_lab.synthesis.mixes import Mix
from gifcue_lab.synthesis.script import Segment

# No segment begins this close to the end.
LAST_S = 2.0


def schedule_segments(builder: SequenceBuilder, seconds: float, mix: Mix) -> tuple[Segment, ...]:
    """Fills the builder with `seconds` of segments."""
    types = mix.segment_types
    weights = np.array([each.weight for each in types])
    builder.idle(min(builder.between(*mix.idle_s), seconds))
    while builder.now_s < seconds - LAST_S:
        segment_type = types[int(builder.rng.choice(len(types), p=weights / weights.sum()))]
        # A reaction may start after its segment, and must still do so within the sequence.
        segment_type.add(builder, seconds - AFTER_S)
        builder.idle(min(builder.between(*mix.idle_s), seconds - builder.now_s))
    if builder.now_s < seconds:
        builder.idle(seconds - builder.now_s)
    return tuple(builder.segments)
