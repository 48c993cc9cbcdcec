"""The due time of each frame of each participant, and which are sampled. Runs in the peers' environments."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.participants import Participant, SendSchedule


@dataclass(frozen=True)
class Due:
    """One frame: its due time in seconds after the start, the index of its participant, and its number from 0."""

    due_s: float
    participant: int
    index: int


def frames(
    participants: Sequence[Participant], fps: float, until_s: float, jitter_s: float, seed: int
) -> Iterator[Due]:
    """Every frame of every participant that is due before `until_s`, ordered by due time."""
    schedules = [SendSchedule(participant, fps, jitter_s, seed) for participant in participants]
    waiting = [(schedules[participant].next_s(), participant, 0) for participant in range(len(participants))]
    heapq.heapify(waiting)
    while waiting:
        due_s, participant, index = heapq.heappop(waiting)
        if due_s >= until_s:
            continue
        yield Due(due_s, participant, index)
        heapq.heappush(waiting, (schedules[participant].next_s(), participant, index + 1))


def is_sampled(index: int, fps: float, rate: float) -> bool:
    """True if frame `index` of a stream of `fps` frames per second is among the `rate` per second that are sampled."""
    return index == 0 or int(index * rate / fps) > int((index - 1) * rate / fps)
