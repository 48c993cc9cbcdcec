"""When each frame of each participant is due, and which of them are looked at. Runs in the peers' environments."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.seats import Seat, Turns


@dataclass(frozen=True)
class Due:
    """One frame: when it is due, in seconds after the start, whose it is, and its number from 0."""

    due_s: float
    seat: int
    index: int


def frames(seats: Sequence[Seat], fps: float, until_s: float, jitter_s: float, seed: int) -> Iterator[Due]:
    """Every frame of every seat that is due before `until_s`, in the order of being due."""
    turns = [Turns(seat, fps, jitter_s, seed) for seat in seats]
    waiting = [(turns[seat].next_s(), seat, 0) for seat in range(len(seats))]
    heapq.heapify(waiting)
    while waiting:
        due_s, seat, index = heapq.heappop(waiting)
        if due_s >= until_s:
            continue
        yield Due(due_s, seat, index)
        heapq.heappush(waiting, (turns[seat].next_s(), seat, index + 1))


def is_sampled(index: int, fps: float, rate: float) -> bool:
    """Whether frame `index` of a stream of `fps` frames a second is one of the `rate` a second that are looked at."""
    return index == 0 or int(index * rate / fps) > int((index - 1) * rate / fps)
