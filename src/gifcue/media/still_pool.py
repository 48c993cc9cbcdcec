"""The front's side of decoding stills, in processes that never see a stream.

    enter ─► bytes are read ─► decoded ─► queue ─► a decoder ─► a slot, until the caller is done with it

A decoder holds one still at a time, so it is known which still it died of. That still is answered with an error, and
its bytes are refused from then on. Everything runs on the event loop's thread; no pixel is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from gifcue.errors import MediaError, Unavailable, WorkerLost
from gifcue.media.answers import check_size
from gifcue.media.still_admission import StillAdmission, StillPlace
from gifcue.media.still_digests import StillDigests
from gifcue.media.still_messages import MESSAGES, StillAnswer, StillDone, StillInit, StillRequest
from gifcue.media.still_queue import StillQueue
from gifcue.media.still_settings import StillSettings
from gifcue.media.suspects import Suspects
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState, WorkerStatus
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.confinement.profile import decoder
from gifcue.workers.loss import Loss
from gifcue.workers.messages import InvalidMessage
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker

STILL_TARGET = "gifcue.media.still_worker:main"
# FFmpeg's picture of a still with 16 bits for each of four channels, and as much again for what it is made of.
_BYTES_PER_PIXEL = 16
# Callers whose stills cost a decoder.
SUSPECTS_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class DecodedStill:
    """A picture in `slot` of the arena of stills: RGB, `height x width x 3` bytes; `source_*` is its original size."""

    slot: int
    width: int
    height: int
    source_width: int
    source_height: int


@dataclass(frozen=True, slots=True)
class StillStatistics:
    """`places` are taken, and `bytes` are set aside for them; `waiting` of these wait for a decoder; `slots_out` are
    being written, wait for a detector or are with one. Since the start: `decoded`, `failed` and `refused` by reason.
    """

    workers: tuple[WorkerStatus, ...]
    places: int
    bytes: int
    waiting: int
    slots_out: int
    decoded: int
    failed: Mapping[str, int]
    refused: Mapping[str, int]


@dataclass(eq=False, slots=True)
class _Still:
    caller: str
    data: bytes
    answer: asyncio.Future[StillDone]
    number: int
    slot: int | None = None


@dataclass(eq=False, slots=True)
class _WorkerHandle:
    """A decoder and the still that it holds."""

    still: _Still | None = None
    process: SupervisedWorker = field(init=False)

    @property
    def is_free(self) -> bool:
        return self.process.is_ready and self.still is None

    @property
    def has_failed(self) -> bool:
        return self.process.state in (WorkerState.FAILED, WorkerState.STOPPED)


class StillPool:
    """Decodes stills. Owned by the event loop's thread."""

    def __init__(
        self,
        settings: StillSettings,
        arena: Arena,
        supervision: SupervisionSettings | None = None,
        *,
        max_pixels: int,
        max_still_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`arena` is that of stills: one range, of slots of `settings.slot_bytes` at least."""
        self._clock = clock
        self._lost_stills = StillDigests()
        self._suspects: Suspects[str] = Suspects(clock, SUSPECTS_REMEMBERED)
        self._admission = StillAdmission(settings, max_still_bytes, self._suspects, clock)
        self._queue: StillQueue[_Still] = StillQueue()
        self._slots = arena.shape.slots
        self._slot_bytes = arena.shape.slot_bytes
        self._free_slots = deque(range(self._slots))
        self._numbers = itertools.count(1)
        self._decoded = 0
        self._failed: Counter[str] = Counter()
        init = StillInit(settings, max_pixels, arena.shape)
        self._workers = [
            self._make_worker(index, init, arena, supervision or SupervisionSettings())
            for index in range(settings.workers)
        ]

    def _make_worker(
        self, index: int, init: StillInit, arena: Arena, supervision: SupervisionSettings
    ) -> _WorkerHandle:
        worker = _WorkerHandle()
        worker.process = SupervisedWorker(
            f"still-{index}",
            STILL_TARGET,
            init,
            types=MESSAGES,
            profile=decoder(_BYTES_PER_PIXEL * init.max_pixels),
            fds={ARENA_FD: arena.fd},
            on_message=lambda message: self._answered(worker, message),
            on_ready=lambda _: self._dispatch(),
            on_lost=lambda loss: self._lost(worker, loss),
            on_state=lambda _: self._changed(),
            settings=supervision,
            clock=self._clock,
        )
        return worker

    async def start(self) -> None:
        """Starts the decoders; returns once all are ready.

        Raises:
            WorkerStartError: one never became ready.
        """
        for worker in self._workers:
            worker.process.start()
        await asyncio.gather(*(worker.process.wait_ready() for worker in self._workers))

    async def stop(self) -> None:
        """Ends the decoders. Stills that are not answered by then are given up."""
        await asyncio.gather(*(worker.process.stop() for worker in self._workers))
        for worker in self._workers:
            if worker.still is not None:
                still, worker.still = worker.still, None
                self._fail(still, WorkerLost("the server stops"), "worker_lost")
        self._fail_waiting("the server stops")

    def enter(self, caller: str, size_bytes: int | None = None) -> StillPlace:
        """Takes a place for a still, before its bytes are read. `caller` is who sends it, None for `size_bytes`: of
        unknown size.

        Raises:
            TooManyRequests: this caller has too many places, or has to wait.
            Overloaded: all places together are too many.
        """
        return self._admission.enter(caller, size_bytes)

    @contextlib.asynccontextmanager
    async def decoded(self, data: bytes, caller: str) -> AsyncIterator[DecodedStill]:
        """One JPEG or PNG as a picture, which lies in its slot within the block.

        Raises:
            MediaError: it is neither, damaged or too large, or a decoder was lost with it, now or before.
            Unavailable: no decoder is ready, nor will be soon.
            WorkerLost: the server stops.
        """
        if data in self._lost_stills:
            self._failed["lost_before"] += 1
            message = "expected a still that can be decoded: a decoder was lost with these bytes before"
            raise MediaError(DropReason.INVALID_DATA, message)
        if all(worker.has_failed for worker in self._workers):
            raise Unavailable("expected a decoder of stills that is ready, none is")
        answer: asyncio.Future[StillDone] = asyncio.get_running_loop().create_future()
        still = _Still(caller, data, answer, next(self._numbers))
        self._queue.put(caller, still)
        self._dispatch()
        try:
            done = await answer
            assert still.slot is not None, "expected a decoded still to have a slot"
            yield DecodedStill(still.slot, done.width, done.height, done.source_width, done.source_height)
        finally:
            # One that a decoder still holds keeps its slot until the decoder has answered, which frees it.
            self._queue.withdraw(caller, still)
            if all(worker.still is not still for worker in self._workers):
                self._release(still)

    def statistics(self) -> StillStatistics:
        """The figures as they stand."""
        return StillStatistics(
            workers=tuple(worker.process.statistics() for worker in self._workers),
            places=self._admission.count,
            bytes=self._admission.bytes,
            waiting=len(self._queue),
            slots_out=self._slots - len(self._free_slots),
            decoded=self._decoded,
            failed=dict(self._failed),
            refused=dict(self._admission.refused),
        )

    # Called by the workers

    def _answered(self, worker: _WorkerHandle, message: StillAnswer) -> None:
        still = worker.still
        if still is None or still.number != message.number:
            expected = "none" if still is None else f"that to still {still.number}"
            raise InvalidMessage(f"expected {expected} as an answer, got that to still {message.number}")
        if isinstance(message, StillDone):
            check_size(message.width, message.height, self._slot_bytes)
        worker.still = None
        if isinstance(message, StillDone):
            self._decoded += 1
            if still.answer.done():
                self._release(still)  # the caller has gone
            else:
                still.answer.set_result(message)
        else:
            self._fail(still, MediaError(message.reason, message.message), message.reason.value)
        self._dispatch()

    def _lost(self, worker: _WorkerHandle, loss: Loss) -> None:
        """The process is dead; it is restarted after this call."""
        still, worker.still = worker.still, None
        if still is None:
            return
        if loss.is_blameless:
            error: Exception = WorkerLost(f"the decoder was lost: {loss.reason}")
        else:
            self._lost_stills.add(still.data)
            self._suspects.accuse(still.caller)
            message = (
                "expected a still that can be decoded within its budget of CPU time, got one that its decoder"
            )
            error = MediaError(DropReason.INVALID_DATA, f"{message} was lost with: {loss.reason}")
        self._fail(still, error, "too_expensive" if loss.is_over_budget else "worker_lost")

    def _changed(self) -> None:
        if all(worker.has_failed for worker in self._workers):
            self._fail_waiting("no decoder of stills is expected back soon")

    # Internal

    def _dispatch(self) -> None:
        for worker in self._workers:
            if not self._queue or not self._free_slots:
                return
            if worker.is_free:
                still = worker.still = self._queue.take()
                still.slot = self._free_slots.popleft()
                worker.process.send(StillRequest(still.number, still.slot, still.data))

    def _release(self, still: _Still) -> None:
        if still.slot is not None:
            self._free_slots.append(still.slot)
            still.slot = None
            self._dispatch()

    def _fail(self, still: _Still, error: Exception, reason: str) -> None:
        self._failed[reason] += 1
        self._release(still)
        if not still.answer.done():
            still.answer.set_exception(error)

    def _fail_waiting(self, reason: str) -> None:
        while self._queue:
            self._fail(self._queue.take(), Unavailable(reason), "no_decoder")
