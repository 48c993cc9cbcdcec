"""Which frame is analysed next. No clock and no processes.

The latest frame wins: a participant has one waiting frame, and a newer one takes its place. A participant that was
never served is served first, then the one that was served longest ago. So participants that always wait take turns, and
one that sends often is served as often as one that sends rarely. The order of arrival alone would not be fair:
participants whose frames come in a fixed order stay in step with the batches, and some would be served twice as often
as others.

Stills have a bounded queue of their own. Where frames and stills wait, at most a quarter of a batch and at least one
picture are stills, and batches of one picture take turns, so that neither starves the other.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from gifcue.media.frame import FrameInFlight

# The share of a batch that stills may take from waiting streams.
_STILLS_DIVISOR = 4


@dataclass(frozen=True, slots=True)
class SchedulerStatistics:
    """`waiting` frames of participants and `stills` now; the rest counts since the start."""

    waiting: int
    stills: int
    offered: int
    superseded: int
    taken: int
    refused_stills: int


S = TypeVar("S")


class Scheduler(Generic[S]):
    """The waiting frames and stills. `S` is what stands for a still."""

    def __init__(self, max_stills: int) -> None:
        self._max_stills = max_stills
        # In the order of waiting: a dict keeps a key's place when its value is replaced.
        self._frames: dict[int, FrameInFlight] = {}
        # Each participant's last turn; turns count up by one for each frame served.
        self._turns: dict[int, int] = {}
        self._stills: deque[S] = deque()
        self._still_next = True
        self._offered = self._superseded = self._taken = self._refused_stills = 0

    def __len__(self) -> int:
        return len(self._frames) + len(self._stills)

    @property
    def oldest_s(self) -> float | None:
        """Since when the longest waiting participant waits; None where none does."""
        return next((frame.waits_since_s for frame in self._frames.values()), None)

    def offer(self, frame: FrameInFlight) -> FrameInFlight | None:
        """Lets a frame wait; returns the one of the same participant that it replaces."""
        superseded = self._frames.get(frame.key)
        if superseded is not None:
            frame.waits_since_s = superseded.waits_since_s
        self._frames[frame.key] = frame
        self._offered += 1
        self._superseded += superseded is not None
        return superseded

    def offer_still(self, still: S) -> bool:
        """Lets a still wait; False where too many do."""
        if len(self._stills) >= self._max_stills:
            self._refused_stills += 1
            return False
        self._stills.append(still)
        return True

    def withdraw(self, still: S) -> None:
        """Removes a still whose caller has gone; does nothing where it does not wait."""
        if still in self._stills:
            self._stills.remove(still)

    def forget(self, key: int) -> FrameInFlight | None:
        """A participant left; returns its waiting frame, if there is one."""
        self._turns.pop(key, None)
        return self._frames.pop(key, None)

    def take(self, max_count: int) -> tuple[list[FrameInFlight], list[S]]:
        """The next batch, `max_count` at most: frames, in the order of their turns, and stills."""
        stills = self._stills_due(max_count)
        count = min(max_count - stills, len(self._frames))
        # The sort is stable: participants that were never served keep the order in which they began to wait.
        keys = heapq.nsmallest(count, self._frames, key=lambda key: self._turns.get(key, -1))
        frames = [self._frames.pop(key) for key in keys]
        for turn, key in enumerate(keys, self._taken):
            self._turns[key] = turn
        self._taken += count + stills
        return frames, [self._stills.popleft() for _ in range(stills)]

    def statistics(self) -> SchedulerStatistics:
        return SchedulerStatistics(
            len(self._frames),
            len(self._stills),
            self._offered,
            self._superseded,
            self._taken,
            self._refused_stills,
        )

    def _stills_due(self, max_count: int) -> int:
        if not self._frames or not self._stills:
            return min(max_count, len(self._stills))
        if max_count == 1:
            self._still_next = not self._still_next
            return 0 if self._still_next else 1
        # Stills also fill what the frames leave of the batch.
        due = max(max_count // _STILLS_DIVISOR, max_count - len(self._frames), 1)
        return min(due, len(self._stills))
