"""The front's side of detection: forms batches of what waits and hands them to free workers.

A worker has one batch at a time and none queued behind it. A queued batch would save the worker the round trip to the
front, a fraction of a millisecond between batches that take many. It would cost what matters more: its frames could no
longer be replaced by newer ones, they would all be lost with the worker, and no other worker could take them.

Where several workers are free, what waits is shared out among them rather than given to the first.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.messages import (
    MESSAGES,
    Batch,
    BatchResult,
    InlinePicture,
    SlotPicture,
    StillPicture,
    pack_gestures,
    unpack,
)
from gifcue.detect.regions import Region
from gifcue.detect.scheduler import Scheduler, SchedulerStatistics
from gifcue.detect.served_gestures import add_gesture_labels
from gifcue.detect.settings import DetectSettings
from gifcue.detect.worker import STILLS_FD, WorkerInit
from gifcue.errors import GifcueError, Unavailable, WorkerLost, WorkerStartError
from gifcue.media.frame import FrameInFlight
from gifcue.percentiles import RecentValues
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState, WorkerStatus
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.confinement.profile import DETECTOR
from gifcue.workers.messages import InvalidMessage
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker

DETECTOR_TARGET = "gifcue.detect.worker:main"

# Batches, and pictures, that percentiles are taken over.
RECENT = 512


@dataclass(frozen=True, slots=True)
class DurationStatistics:
    """`count` and `sum_ms` are since the start; the percentiles are of the last `RECENT`, 0 while there are none."""

    count: int
    sum_ms: float
    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, values_ms: RecentValues) -> DurationStatistics:
        return cls(values_ms.count, values_ms.sum, *values_ms.percentiles(0.50, 0.95))


@dataclass(frozen=True, slots=True)
class DetectStatistics:
    """`in_flight` pictures are with workers. `batches` counts by pictures in a batch, since the start. `infer` is the
    detector's time for a batch; `wait` is how long a participant waited until its picture went to a worker.
    """

    queue: SchedulerStatistics
    in_flight: int
    batches: Mapping[int, int]
    infer: DurationStatistics
    wait: DurationStatistics
    workers: tuple[WorkerStatus, ...]


@dataclass(eq=False, slots=True)
class _Still:
    picture: StillPicture | InlinePicture
    answer: asyncio.Future[list[Region]]


@dataclass(eq=False, slots=True)
class _WorkerHandle:
    """A worker and the batch that it holds."""

    number: int = 0
    frames: list[FrameInFlight] = field(default_factory=list)
    stills: list[_Still] = field(default_factory=list)
    process: SupervisedWorker = field(init=False)

    @property
    def is_free(self) -> bool:
        return self.process.is_ready and not self.frames and not self.stills


class DetectorPool:
    """Detector workers behind one queue. Everything is called from the loop's thread.

    Each offered frame ends with one call of `on_detected` or `on_lost`, sometimes from within `offer` or `forget`. No
    worker reads its slot any more by then.
    """

    def __init__(
        self,
        settings: DetectSettings,
        arena: Arena,
        supervision: SupervisionSettings,
        *,
        on_detected: Callable[[FrameInFlight, list[Region]], None],
        on_lost: Callable[[FrameInFlight, DropReason, str], None],
        target: str = DETECTOR_TARGET,
        clock: Callable[[], float] = time.monotonic,
        stills: Arena | None = None,
    ) -> None:
        """`stills` is the arena of stills; without it they lie in that of streams. `target` ("module:function") is the
        entry point of the workers; it is called as `gifcue.detect.worker.main` is.
        """
        self._settings = settings
        self._on_detected = on_detected
        self._on_lost = on_lost
        self._clock = clock
        self._scheduler: Scheduler[_Still] = Scheduler(settings.max_stills)
        # As the workers describe it, and with the labels of the gestures in service.
        self._model: ServedModel | None = None
        self._info: ServedModel | None = None
        self._gestures: tuple[GestureClassifier, ...] = ()
        # Packed once: workers start again at any time, and each gets the same bytes.
        self._packed_gestures = pack_gestures(())
        self._numbers = 0
        self._batches: Counter[int] = Counter()
        self._infer_ms = RecentValues(RECENT)
        # Told of the pictures and the milliseconds of every batch that is answered.
        self.on_batch: Callable[[int, float], None] = lambda pictures, infer_ms: None
        self._wait_ms = RecentValues(RECENT)
        self._wakeup: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        stills = stills or arena
        init = WorkerInit(settings.detector(), arena.shape, stills.shape)
        self._workers = [
            self._make_worker(index, target, init, (arena, stills), supervision)
            for index in range(settings.workers)
        ]

    async def start(self) -> None:
        """Starts the workers; returns once the first is warm. Raises WorkerStartError where none ever was."""
        waits = [asyncio.ensure_future(self._start(worker.process)) for worker in self._workers]
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
        # Before anything is awaited: results that arrive during the stop must not start another batch.
        self._stopped = True
        for handle in (self._wakeup, self._timer):
            if handle is not None:
                handle.cancel()
        self._lose_waiting("the server stops")
        await asyncio.gather(*(worker.process.stop() for worker in self._workers))
        # A stopped worker does not call `on_lost`, so what it left unanswered is lost here.
        for worker in self._workers:
            self._lose(worker, "the server stops")

    @property
    def info(self) -> ServedModel | None:
        """The model in service, with the labels of the gestures; None before the first worker is warm."""
        return self._info

    def use_gestures(self, gestures: Sequence[GestureClassifier]) -> None:
        """Replaces the gesture classifiers, for every batch that is given to a worker from now on."""
        self._gestures = tuple(gestures)
        self._packed_gestures = pack_gestures(self._gestures)
        self._describe()
        for worker in self._workers:
            # A worker that is not ready gets them when it is.
            if worker.process.is_ready:
                worker.process.send(self._packed_gestures)

    @property
    def is_ready(self) -> bool:
        """True while a worker is ready."""
        return any(worker.process.is_ready for worker in self._workers)

    @property
    def is_running(self) -> bool:
        """True between start and stop: every worker that ends is restarted."""
        return all(worker.process.is_supervised for worker in self._workers)

    @property
    def has_failed(self) -> bool:
        """True while no worker is ready or expected back soon."""
        return all(worker.process.state is WorkerState.FAILED for worker in self._workers)

    def offer(self, frame: FrameInFlight) -> None:
        """Lets a frame's picture wait for a worker; one of the same participant that still waits is superseded."""
        if self._stopped or self.has_failed:
            self._lose_frame(frame, DropReason.DETECT_WORKER_LOST, "no detector is ready")
            return
        frame.waits_since_s = self._clock()
        superseded = self._scheduler.offer(frame)
        self._wake()
        if superseded is not None:
            # Last: the callback may use the pool, whose state is complete by now.
            self._lose_frame(superseded, DropReason.SUPERSEDED, "a newer frame took its place")

    def forget(self, key: int) -> None:
        """A participant left; what waits of it is superseded, what a worker holds of it still ends."""
        waiting = self._scheduler.forget(key)
        if waiting is not None:
            self._lose_frame(waiting, DropReason.SUPERSEDED, "the participant left")

    async def annotate(self, picture: StillPicture | InlinePicture) -> list[Region]:
        """Analyses one still. A slot must be left as it is until this ends.

        Raises:
            Unavailable: no worker is ready, or too many stills wait.
            WorkerLost: the worker that held it died.
            GifcueError: the detector failed on it.
        """
        if self._stopped or not self.is_ready:
            raise Unavailable("expected a detector that is ready, none is")
        still = _Still(picture, asyncio.get_running_loop().create_future())
        if not self._scheduler.offer_still(still):
            raise Unavailable(f"expected at most {self._settings.max_stills} stills to wait, got one more")
        self._wake()
        try:
            return await still.answer
        finally:
            # Where the caller was cancelled, the still may still wait.
            self._scheduler.withdraw(still)

    def statistics(self) -> DetectStatistics:
        """The figures as they stand."""
        return DetectStatistics(
            queue=self._scheduler.statistics(),
            in_flight=sum(len(worker.frames) + len(worker.stills) for worker in self._workers),
            batches=dict(sorted(self._batches.items())),
            infer=DurationStatistics.of(self._infer_ms),
            wait=DurationStatistics.of(self._wait_ms),
            workers=tuple(worker.process.statistics() for worker in self._workers),
        )

    # Workers

    def _make_worker(
        self,
        index: int,
        target: str,
        init: WorkerInit,
        arenas: tuple[Arena, Arena],
        supervision: SupervisionSettings,
    ) -> _WorkerHandle:
        worker = _WorkerHandle()
        worker.process = SupervisedWorker(
            f"detect-{index}",
            target,
            init,
            types=MESSAGES,
            profile=DETECTOR,
            fds={ARENA_FD: arenas[0].fd, STILLS_FD: arenas[1].fd},
            env=self._settings.environment(index),
            on_message=lambda result: self._on_result(worker, result),
            on_ready=lambda info: self._on_ready(worker, info),
            on_lost=lambda loss: self._lose(worker, loss.reason),
            on_state=lambda _: self._on_state(),
            settings=supervision,
            clock=self._clock,
        )
        return worker

    @staticmethod
    async def _start(process: SupervisedWorker) -> None:
        process.start()
        await process.wait_ready()

    def _on_ready(self, worker: _WorkerHandle, info: ServedModel) -> None:
        self._model = info
        self._describe()
        # Before any batch: a worker that comes back finds the same gestures as the others.
        if self._gestures and worker.process.is_ready:
            worker.process.send(self._packed_gestures)
        self._wake()

    def _describe(self) -> None:
        if self._model is not None:
            self._info = add_gesture_labels(self._model, self._gestures)

    def _on_result(self, worker: _WorkerHandle, result: BatchResult) -> None:
        """Raises InvalidMessage where this does not answer the batch that the worker holds; nothing is changed then."""
        count = len(worker.frames) + len(worker.stills)
        if not count or (result.number, len(result.answers)) != (worker.number, count):
            raise InvalidMessage(
                f"expected {count} answers to batch {worker.number}, got {len(result.answers)} to {result.number}"
            )
        answers = [answer if isinstance(answer, str) else unpack(answer) for answer in result.answers]
        frames, stills = self._clear(worker)
        self._infer_ms.record(result.infer_ms)
        self.on_batch(count, result.infer_ms)
        # The worker is free. What waits goes to it at the end of this turn of the loop, after the callbacks below.
        self._wake()
        for frame, answer in zip(frames, answers[: len(frames)], strict=True):
            if isinstance(answer, str):
                self._lose_frame(frame, DropReason.DETECT_FAILED, answer)
            else:
                self._call(self._on_detected, frame, answer)
        for still, answer in zip(stills, answers[len(frames) :], strict=True):
            if still.answer.done():
                continue
            if isinstance(answer, str):
                still.answer.set_exception(GifcueError(f"the detector failed on the picture: {answer}"))
            else:
                still.answer.set_result(answer)

    def _on_state(self) -> None:
        if self.has_failed:
            self._lose_waiting("every detector failed")

    def _lose(self, worker: _WorkerHandle, reason: str) -> None:
        """What the worker held is lost; what waits is taken by another one, or by its successor."""
        frames, stills = self._clear(worker)
        for frame in frames:
            self._lose_frame(frame, DropReason.DETECT_WORKER_LOST, reason)
        self._refuse(stills, WorkerLost(f"the detector was lost: {reason}"))

    def _lose_waiting(self, reason: str) -> None:
        while len(self._scheduler):
            frames, stills = self._scheduler.take(len(self._scheduler))
            for frame in frames:
                self._lose_frame(frame, DropReason.DETECT_WORKER_LOST, reason)
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
        free = [worker for worker in self._workers if worker.is_free]
        if not free or not len(self._scheduler):
            return
        wait_s = self._to_wait_s()
        if wait_s > 0.0:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._dispatch)
            return
        for place, worker in enumerate(free):
            share = math.ceil(len(self._scheduler) / (len(free) - place))
            if share:
                self._give(worker, min(share, self._settings.batch_limit))

    def _to_wait_s(self) -> float:
        """How long a batch that is not full may still fill."""
        oldest_s = self._scheduler.oldest_s
        if oldest_s is None or len(self._scheduler) >= self._settings.batch_limit:
            return 0.0
        return oldest_s + self._settings.max_wait_ms / 1000.0 - self._clock()

    def _give(self, worker: _WorkerHandle, count: int) -> None:
        frames, stills = self._scheduler.take(count)
        self._numbers += 1
        worker.number, worker.frames, worker.stills = self._numbers, frames, stills
        self._batches[len(frames) + len(stills)] += 1
        now_s = self._clock()
        pictures: list[SlotPicture | StillPicture | InlinePicture] = []
        for frame in frames:
            self._wait_ms.record((now_s - frame.waits_since_s) * 1000.0)
            slot = frame.slot
            assert slot is not None, "expected a frame that waits to have a slot"
            pictures.append(SlotPicture(slot, frame.width, frame.height, frame.wants_landmarks))
        pictures += [still.picture for still in stills]
        worker.process.send(Batch(worker.number, tuple(pictures)))

    @staticmethod
    def _clear(worker: _WorkerHandle) -> tuple[list[FrameInFlight], list[_Still]]:
        frames, worker.frames = worker.frames, []
        stills, worker.stills = worker.stills, []
        return frames, stills

    def _lose_frame(self, frame: FrameInFlight, reason: DropReason, message: str) -> None:
        self._call(self._on_lost, frame, reason, message)

    @staticmethod
    def _call(callback: Callable[..., None], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except Exception as error:
            # A fault in the handling of one result must not lose the others of its batch.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a detector's result could not be handled", "exception": error}
            )

    @staticmethod
    def _refuse(stills: list[_Still], error: GifcueError) -> None:
        for still in stills:
            if not still.answer.done():
                still.answer.set_exception(error)
