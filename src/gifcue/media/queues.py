"""What waits for one decode worker, by participant, and which unit the worker gets next.

    push ─► a queue per participant ─► take ─► window ─► the worker ─► answered
                 └──────► expire, clear: units that no decoder gets

A worker decodes what it is sent in order, so that whatever it was sent delays everybody. It is therefore sent little at
once, its window, and the rest waits here. Each participant gets an equal share of the worker's time, whatever a unit
costs: the next unit is that of the participant whose share would be used up first (weighted fair queueing; A. Demers,
S. Keshav and S. Shenker, 1989). A participant that needs less than its share does not wait for those that want more.

A participant that spends too much on single long units waits as well (`gifcue.media.long_units`).

Everything here is pure: there is no clock and no process.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import LongUnits

# What a worker is sent at once, in estimated seconds of its time and in units. The worker must not run dry while the
# front is busy, and whoever comes next waits for all of it.
WINDOW_S = 0.05
WINDOW_UNITS = 64
# Below so many units the window is filled again, whatever they are expected to take.
REFILL_UNITS = 16
# Units of one participant within the window. The estimate of a unit's cost may be too low by any factor.
UNITS_AT_ONCE = 4
# What the first unit of a participant is expected to take. It may be one of the largest, so few are sent at once.
# What is known to be cheap is sent beside them, so that the worker does not run dry.
UNKNOWN_S = WINDOW_S / 2
# The estimate is the highest cost seen, less this share for each unit since. A keyframe costs several times what the
# frames between cost: where the estimate stayed at that, the window would hold too little work.
ESTIMATE_DECAY = 0.8
# A worker's own statement of what a unit cost is believed up to this. A worker that needs longer counts as stuck.
MAX_COST_S = 10.0


class Backlog(NamedTuple):
    """What has been submitted and not answered: a participant's units and their bytes, and the bytes of everybody."""

    units: int
    bytes: int
    server_bytes: int


class WaitingUnit(NamedTuple):
    """An access unit that no worker has been sent yet."""

    frame: FrameInFlight
    payload: bytes


@dataclass(eq=False, slots=True)
class ParticipantQueue:
    """One participant's units in order, and its share of a worker's time. Belongs to one `Lane` at a time."""

    units: deque[WaitingUnit] = field(default_factory=deque)
    # The lane's time up to which this participant has had its share.
    served_s: float = 0.0
    # Seconds of the worker that the next unit is expected to take; None while nothing is known.
    estimate_s: float | None = None
    # The estimates that were charged for what the worker holds, in order.
    charged: deque[float] = field(default_factory=deque)
    is_listed: bool = False
    long_units: LongUnits = field(default_factory=LongUnits)
    # Since `take_wait` was last called: the shortest wait of a unit that was sent, in seconds, None where none was; and
    # whether one was dropped.
    shortest_wait_s: float | None = None
    was_overdue: bool = False

    def sent(self, wait_s: float) -> None:
        """A unit was sent to the worker after this wait."""
        if self.shortest_wait_s is None or wait_s < self.shortest_wait_s:
            self.shortest_wait_s = wait_s

    def take_wait(self, now_s: float) -> float | None:
        """The shortest wait since the last call, in seconds, infinity where something was overdue. Where nothing was
        sent it is that of the unit that has waited longest; None where none waits either.
        """
        wait_s, self.shortest_wait_s = self.shortest_wait_s, None
        if self.was_overdue:
            self.was_overdue = False
            return math.inf
        if wait_s is None and self.units:
            wait_s = now_s - self.units[0].frame.arrived_s
        return wait_s

    @property
    def cost_s(self) -> float:
        """What its next unit is expected to take, in seconds of the worker."""
        return UNKNOWN_S if self.estimate_s is None else self.estimate_s

    @property
    def at_once(self) -> int:
        """How many of its units the worker may hold."""
        return 1 if self.estimate_s is None else UNITS_AT_ONCE

    def overdue(
        self, now_s: float, max_age_s: float, is_keyframe: Callable[[bytes], bool]
    ) -> list[WaitingUnit]:
        """Removes what has waited too long, and what builds on it: everything up to the next keyframe that is not
        overdue itself. Returns it in order.
        """
        dropped: list[WaitingUnit] = []
        while self.units and now_s - self.units[0].frame.arrived_s > max_age_s:
            dropped.append(self.units.popleft())
            while self.units and not is_keyframe(self.units[0].payload):
                dropped.append(self.units.popleft())
        self.was_overdue = self.was_overdue or bool(dropped)
        return dropped

    def clear(self) -> list[WaitingUnit]:
        """Removes everything that waits, and returns it in order."""
        dropped = list(self.units)
        self.units.clear()
        return dropped


class Lane:
    """The queues of one worker's participants. Time is that which the worker spent, in seconds."""

    def __init__(self) -> None:
        # (the time up to which the participant will have been served with its next unit, a number that keeps the order
        # of listing, the queue). A queue is listed at most once, and only while it may be served.
        self._listed: list[tuple[float, int, ParticipantQueue]] = []
        # Queues with units whose participants must pause. They are listed again by `resume`.
        self._pausing: list[ParticipantQueue] = []
        self._numbers = itertools.count()
        self._now_s = 0.0
        self._window_s = 0.0
        self._window_units = 0
        # Answers since the start.
        self.answers = 0

    @property
    def units_in_window(self) -> int:
        """Units that the worker was sent and has not answered."""
        return self._window_units

    @property
    def is_due(self) -> bool:
        """True where the window is to be filled again. It is not while much of it is left: units that are sent a few at
        a time cost the front and the worker a system call each.
        """
        return self._window_units < REFILL_UNITS or self._window_s < WINDOW_S / 2

    def push(self, queue: ParticipantQueue, unit: WaitingUnit) -> None:
        """Adds a participant's newest unit."""
        queue.units.append(unit)
        self._list(queue)

    def take(self, now_s: float) -> WaitingUnit | None:
        """The unit that the worker is to be sent next; None where nothing may be sent, or the window is full.

        `now_s` is the time of a steady clock.
        """
        listed = self._listed
        while listed and self._window_units < WINDOW_UNITS:
            queue = listed[0][2]
            if not queue.units:
                heapq.heappop(listed)
                queue.is_listed = False
                continue
            if queue.long_units.must_pause(now_s):
                heapq.heappop(listed)
                queue.is_listed = False
                self._pausing.append(queue)
                continue
            cost_s = queue.cost_s
            if self._window_units and self._window_s + cost_s > WINDOW_S:
                return None
            heapq.heappop(listed)
            queue.is_listed = False
            # The estimate may have changed since the queue was listed. Its start has not.
            self._now_s = max(self._now_s, queue.served_s)
            queue.served_s += cost_s
            queue.charged.append(cost_s)
            self._window_units += 1
            self._window_s += cost_s
            unit = queue.units.popleft()
            self._list(queue)
            return unit
        return None

    def resume(self, now_s: float) -> None:
        """Lists those again who have paused long enough. To be called now and then."""
        pausing, self._pausing = self._pausing, []
        for queue in pausing:
            if queue.long_units.must_pause(now_s):
                self._pausing.append(queue)
            else:
                self._list(queue)

    def answered(self, queue: ParticipantQueue, spent_s: float, now_s: float) -> None:
        """The worker answered the participant's oldest unit, on which it spent `spent_s`."""
        self.answers += 1
        if not queue.charged:
            return
        # NaN compares false, and counts as nothing.
        spent_s = min(spent_s, MAX_COST_S) if spent_s > 0.0 else 0.0
        charged_s = queue.charged.popleft()
        queue.served_s += spent_s - charged_s
        queue.long_units.spent(spent_s, now_s)
        queue.estimate_s = max(spent_s, (queue.estimate_s or 0.0) * ESTIMATE_DECAY)
        self._window_units -= 1
        # Without units it is 0 exactly, whatever was rounded.
        self._window_s = self._window_s - charged_s if self._window_units else 0.0
        self._list(queue)

    def leave(self, queue: ParticipantQueue) -> None:
        """The participant moves to another lane: the worker will not answer what it holds of it."""
        self._window_units -= len(queue.charged)
        self._window_s = self._window_s - sum(queue.charged) if self._window_units else 0.0
        queue.charged.clear()
        self._pausing = [each for each in self._pausing if each is not queue]
        if queue.is_listed:
            self._listed = [entry for entry in self._listed if entry[2] is not queue]
            heapq.heapify(self._listed)
            queue.is_listed = False
        # Times of one lane mean nothing in another.
        queue.served_s = 0.0

    def _list(self, queue: ParticipantQueue) -> None:
        if queue.is_listed or not queue.units or len(queue.charged) >= queue.at_once:
            return
        if any(each is queue for each in self._pausing):
            return
        queue.is_listed = True
        # A share that was not used is lost: who was silent for a minute must not block the others for a minute.
        queue.served_s = max(self._now_s, queue.served_s)
        heapq.heappush(self._listed, (queue.served_s + queue.cost_s, next(self._numbers), queue))
