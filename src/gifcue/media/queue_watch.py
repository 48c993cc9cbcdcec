"""Looks at the queues from time to time: what has waited too long, and whether the workers have time for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gifcue.media.assignment import DecodedParticipant, WorkerHandle
from gifcue.media.overload import NO_RELIEF, WINDOW_S, Relief
from gifcue.media.queues import WaitingUnit
from gifcue.protocol.reasons import DropReason

# Seconds between two looks, while anything waits or a worker is overloaded.
LOOK_EVERY_S = 0.1


class QueueWatch:
    """Reads the pool's participants and workers; `drop` ends units that were taken out of a participant's queue, `fill`
    sends a worker what it has room for.
    """

    def __init__(
        self,
        participants: Mapping[int, DecodedParticipant],
        workers: Sequence[WorkerHandle],
        *,
        drop: Callable[[DecodedParticipant, list[WaitingUnit], DropReason, str], None],
        fill: Callable[[WorkerHandle], None],
        on_relief: Callable[[Relief], None],
        clock: Callable[[], float],
        max_wait_s: float,
    ) -> None:
        self._participants = participants
        self._workers = workers
        self._drop = drop
        self._fill = fill
        self._on_relief = on_relief
        self._clock = clock
        self._max_wait_s = max_wait_s
        self._timer: asyncio.TimerHandle | None = None
        self._window_ends_s = 0.0

    @property
    def oldest_s(self) -> float:
        """How long the longest has waited of the units that no worker has, in seconds; 0 where none waits."""
        queues = (participant.queue for participant in self._participants.values())
        first_s = min((queue.units[0].frame.arrived_s for queue in queues if queue.units), default=None)
        return 0.0 if first_s is None else max(0.0, self._clock() - first_s)

    def start(self) -> None:
        """A unit has to wait. Looks go on until none waits and no worker is overloaded."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def stop(self) -> None:
        """No more looks."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        try:
            self._expire(self._clock())
            for worker in self._workers:
                worker.lane.resume(self._clock())
                self._fill(worker)
            self._decide(self._clock())
        finally:
            # Also after an error in a callback, which concerns one participant: the others still wait.
            waits = any(participant.queue.units for participant in self._participants.values())
            if waits or not all(worker.control.is_idle for worker in self._workers):
                self.start()

    def _expire(self, now_s: float) -> None:
        for participant in list(self._participants.values()):
            overdue = participant.queue.overdue(now_s, self._max_wait_s, participant.is_keyframe)
            if overdue:
                message = f"expected a decoder within {self._max_wait_s:g} s of the arrival, none was free"
                self._drop(participant, overdue, DropReason.OVERLOAD, message)

    def _decide(self, now_s: float) -> None:
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + WINDOW_S
            for worker in self._workers:
                self._relieve(worker, now_s)

    def _relieve(self, worker: WorkerHandle, now_s: float) -> None:
        """A window ended: decides for whom the worker should not decode."""
        waits_s: dict[int, float] = {}
        for key in worker.keys:
            wait_s = self._participants[key].queue.take_wait(now_s)
            if wait_s is not None:
                waits_s[key] = wait_s
        answers, worker.answers = worker.answers, worker.lane.answers
        if worker.lane.units_in_window and answers == worker.answers:
            # It is stuck, which is not overload, and which the supervision of the worker deals with.
            return
        relief = worker.control.decide(now_s, waits_s)
        if relief == NO_RELIEF:
            return
        # Those who are paused hear of it before what waits of them is dropped: they ask for no keyframe.
        self._on_relief(relief)
        for key in relief.pause:
            participant = self._participants.get(key)
            if participant is not None:
                message = "the server has more to decode than it can in time"
                self._drop(participant, participant.queue.clear(), DropReason.OVERLOAD, message)
