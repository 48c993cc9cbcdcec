"""The front's side of detection: forms batches of what waits and hands them to free workers.

A worker has one batch at a time and none queued behind it. A queued batch would save the worker the round
trip to the front, a fraction of a millisecond between batches that take many; it would cost what matters
more: its frames could no longer be replaced by newer ones, they would all be lost with the worker, and no
other worker could take them.

Where several workers are free, what waits is shared out among them rather than given to the first.
"""

from __future__ import annotations

import asyncio
import enum
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gifcue.detect.detector import ServedModel
from gifcue.detect.regions import Region
from gifcue.detect.scheduler import Scheduler, SchedulerStatistics, WaitingFrame
from gifcue.detect.settings import DetectSettings
from gifcue.detect.worker import Batch, InlinePicture, Judged, SlotPicture, WorkerInit
from gifcue.errors import GifcueError, Unavailable, WorkerLost, WorkerStartError
from gifcue.protocol.statistics import WorkerState, WorkerStatus
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker

# Batches over which the inference time is told.
_RECENT_BATCHES = 512


class ResultKind(enum.Enum):
    """How an offered frame ended."""

    REGIONS = "regions"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class DetectResult:
    """The end of an offered frame, exactly one each; its slot is free again.

    `message` says why there are no regions.
    """

    key: int
    token: int
    kind: ResultKind
    regions: list[Region] = field(default_factory=list)
    message: str = ""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """`batches` counts by pictures in a batch, since the start; times are of the last 512 batches, or 0."""

    queue: SchedulerStatistics
    in_flight: int
    batches: Mapping[int, int]
    infer_ms_mean: float
    infer_ms_p95: float
    workers: tuple[WorkerStatus, ...]


@dataclass(eq=False, slots=True)
class _Still:
    picture: SlotPicture | InlinePicture
    answer: asyncio.Future[list[Region]]


@dataclass(slots=True)
class _Seat:
    """A worker and the batch that it holds."""

    worker: SupervisedWorker
    number: int = 0
    frames: list[WaitingFrame] = field(default_factory=list)
    stills: list[_Still] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        return self.worker.ready and not self.frames and not self.stills


class DetectorPool:
    """Detector workers behind one queue. Everything is called from the loop's thread.

    `on_result` is called once for each offered frame, at times from within `offer` and `forget`.
    """

    def __init__(
        self,
        settings: DetectSettings,
        arena: Arena,
        supervision: SupervisionSettings,
        on_result: Callable[[DetectResult], None],
        *,
        target: str = "gifcue.detect.worker:main",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._on_result = on_result
        self._clock = clock
        self._scheduler: Scheduler[_Still] = Scheduler(settings.max_stills)
        self._info: ServedModel | None = None
        self._numbers = 0
        self._batches: Counter[int] = Counter()
        self._infer_ms: deque[float] = deque(maxlen=_RECENT_BATCHES)
        self._wakeup: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        init = WorkerInit(settings.detector(), arena.shape)
        self._seats = [
            self._seat(index, target, init, arena, supervision) for index in range(settings.workers)
        ]

    async def start(self) -> None:
        """Starts the workers; returns once the first is warm. Raises WorkerStartError where none ever was."""
        waits = [asyncio.ensure_future(self._start(seat.worker)) for seat in self._seats]
        pending: set[asyncio.Future[None]] = set(waits)
        errors: list[BaseException] = []
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for wait in done:
                    error = wait.exception()
                    if error is None:
                        return
                    errors.append(error)
        finally:
            for wait in pending:
                wait.cancel()
        raise WorkerStartError(str(errors[-1]))

    async def stop(self) -> None:
        """Stops the workers; what they hold is finished within the grace, what waits is answered as lost."""
        self._stopped = True
        for handle in (self._wakeup, self._timer):
            if handle is not None:
                handle.cancel()
        self._lose_waiting("the server stops")
        await asyncio.gather(*(seat.worker.stop() for seat in self._seats))
        for seat in self._seats:
            self._lose(seat, "the server stops")

    @property
    def info(self) -> ServedModel | None:
        """The model in service; None before the first worker is warm."""
        return self._info

    @property
    def ready(self) -> bool:
        """True while a worker is ready."""
        return any(seat.worker.ready for seat in self._seats)

    @property
    def failed(self) -> bool:
        """True once every worker failed too often to be restarted."""
        return all(seat.worker.state is WorkerState.FAILED for seat in self._seats)

    def offer(self, key: int, token: int, slot: int, width: int, height: int) -> None:
        """Lets a picture wait for a worker; one of the same participant that still waits is superseded."""
        frame = WaitingFrame(key, token, slot, width, height, self._clock())
        if self._stopped or self.failed:
            self._end(frame, ResultKind.WORKER_LOST, message="no detector is left")
            return
        superseded = self._scheduler.offer(frame)
        self._wake()
        if superseded is not None:
            self._supersede(superseded, "a newer frame took its place")

    def forget(self, key: int) -> None:
        """A participant left; what waits of it is superseded, what a worker holds of it still ends."""
        waiting = self._scheduler.forget(key)
        if waiting is not None:
            self._supersede(waiting, "the participant left")

    async def annotate(self, picture: SlotPicture | InlinePicture) -> list[Region]:
        """Judges one still. A slot must be left as it is until this ends.

        Raises:
            Unavailable: no worker is ready, or too many stills wait.
            WorkerLost: the worker that held it died.
            GifcueError: the detector failed on it.
        """
        if self._stopped or not self.ready:
            raise Unavailable("expected a detector that is ready, none is")
        still = _Still(picture, asyncio.get_running_loop().create_future())
        if not self._scheduler.offer_still(still):
            raise Unavailable(f"expected at most {self._settings.max_stills} stills to wait, got one more")
        self._wake()
        try:
            return await still.answer
        finally:
            self._scheduler.withdraw(still)

    def statistics(self) -> PoolStatistics:
        times = sorted(self._infer_ms)
        return PoolStatistics(
            queue=self._scheduler.statistics(),
            in_flight=sum(len(seat.frames) + len(seat.stills) for seat in self._seats),
            batches=dict(sorted(self._batches.items())),
            infer_ms_mean=sum(times) / len(times) if times else 0.0,
            infer_ms_p95=times[math.ceil(0.95 * len(times)) - 1] if times else 0.0,
            workers=tuple(seat.worker.statistics() for seat in self._seats),
        )

    # Workers

    def _seat(
        self, index: int, target: str, init: WorkerInit, arena: Arena, supervision: SupervisionSettings
    ) -> _Seat:
        worker = SupervisedWorker(
            f"detect-{index}",
            target,
            init,
            fds={"arena": arena.fd},
            env=self._settings.environment(index),
            on_message=lambda judged: self._on_judged(seat, judged),
            on_ready=self._on_ready,
            on_lost=lambda reason: self._lose(seat, reason),
            on_state=self._on_state,
            settings=supervision,
            clock=self._clock,
        )
        seat = _Seat(worker)
        return seat

    @staticmethod
    async def _start(worker: SupervisedWorker) -> None:
        worker.start()
        await worker.wait_ready()

    def _on_ready(self, info: ServedModel) -> None:
        self._info = info
        self._wake()

    def _on_state(self, _: WorkerState) -> None:
        if self.failed:
            self._lose_waiting("every detector failed")

    def _on_judged(self, seat: _Seat, judged: Judged) -> None:
        if judged.number != seat.number:
            raise ValueError(f"expected the answer to batch {seat.number}, got that to {judged.number}")
        frames, stills = self._clear(seat)
        self._infer_ms.append(judged.infer_ms)
        self._wake()
        for frame, result in zip(frames, judged.results[: len(frames)], strict=True):
            if isinstance(result, str):
                self._end(frame, ResultKind.FAILED, message=result)
            else:
                self._end(frame, ResultKind.REGIONS, regions=result)
        for still, result in zip(stills, judged.results[len(frames) :], strict=True):
            if still.answer.done():
                continue
            if isinstance(result, str):
                still.answer.set_exception(GifcueError(f"the detector failed on the picture: {result}"))
            else:
                still.answer.set_result(result)

    def _lose(self, seat: _Seat, reason: str) -> None:
        frames, stills = self._clear(seat)
        for frame in frames:
            self._end(frame, ResultKind.WORKER_LOST, message=reason)
        self._refuse(stills, WorkerLost(f"the detector was lost: {reason}"))

    def _lose_waiting(self, reason: str) -> None:
        while len(self._scheduler):
            frames, stills = self._scheduler.take(len(self._scheduler))
            for frame in frames:
                self._end(frame, ResultKind.WORKER_LOST, message=reason)
            self._refuse(stills, Unavailable(reason))

    # Batches

    def _wake(self) -> None:
        # At the end of this turn of the loop, so that what one turn brings goes into one batch.
        if self._wakeup is None and not self._stopped:
            self._wakeup = asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._wakeup = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        free = [seat for seat in self._seats if seat.is_free]
        if not free or not len(self._scheduler):
            return
        wait_s = self._to_wait_s()
        if wait_s > 0.0:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._dispatch)
            return
        for place, seat in enumerate(free):
            share = math.ceil(len(self._scheduler) / (len(free) - place))
            if share:
                self._give(seat, min(share, self._settings.batch_limit))

    def _to_wait_s(self) -> float:
        oldest_s = self._scheduler.oldest_s
        if oldest_s is None or len(self._scheduler) >= self._settings.batch_limit:
            return 0.0
        return oldest_s + self._settings.max_wait_ms / 1000.0 - self._clock()

    def _give(self, seat: _Seat, count: int) -> None:
        frames, stills = self._scheduler.take(count)
        self._numbers += 1
        seat.number, seat.frames, seat.stills = self._numbers, frames, stills
        self._batches[len(frames) + len(stills)] += 1
        slots = (SlotPicture(frame.slot, frame.width, frame.height) for frame in frames)
        seat.worker.send(Batch(seat.number, (*slots, *(still.picture for still in stills))))

    @staticmethod
    def _clear(seat: _Seat) -> tuple[list[WaitingFrame], list[_Still]]:
        frames, seat.frames = seat.frames, []
        stills, seat.stills = seat.stills, []
        return frames, stills

    def _end(
        self, frame: WaitingFrame, kind: ResultKind, *, regions: Sequence[Region] = (), message: str = ""
    ) -> None:
        try:
            self._on_result(DetectResult(frame.key, frame.token, kind, list(regions), message))
        except Exception as error:
            # A fault in the handling of one result must not lose the others of its batch.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a detector's result could not be handled", "exception": error}
            )

    def _supersede(self, frame: WaitingFrame, message: str) -> None:
        self._end(frame, ResultKind.SUPERSEDED, message=message)

    @staticmethod
    def _refuse(stills: list[_Still], error: GifcueError) -> None:
        for still in stills:
            if not still.answer.done():
                still.answer.set_exception(error)
