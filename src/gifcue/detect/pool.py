"""The front's side of detection: detector workers behind one queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gifcue.detect.detector import Backend, ServedModel
from gifcue.detect.dispatcher import Dispatcher
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.handle import Still, WorkerHandle, start_any
from gifcue.detect.messages import (
    MESSAGES,
    BatchResult,
    InlinePicture,
    RemoteReport,
    StillPicture,
    pack_gestures,
)
from gifcue.detect.regions import Region
from gifcue.detect.remote import RemoteWatch
from gifcue.detect.scheduler import Scheduler
from gifcue.detect.served_gestures import add_gesture_labels
from gifcue.detect.settings import DetectSettings
from gifcue.detect.statistics import RECENT, DetectStatistics, DurationStatistics
from gifcue.detect.worker import STILLS_FD, WorkerInit
from gifcue.errors import Unavailable, WorkerLost
from gifcue.media.frame import FrameInFlight
from gifcue.percentiles import RecentValues
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.confinement.profile import DETECTOR
from gifcue.workers.messages import InvalidMessage
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker

DETECTOR_TARGET = "gifcue.detect.worker:main"
# What runs the networks while no inference server can be used.
FALLBACK: Backend = "litert"


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
        """`stills` is the arena of stills, None: that of streams. `target` names the workers' entry point."""
        self._settings = settings
        self._on_detected = on_detected
        self._on_lost = on_lost
        self._clock = clock
        self._scheduler: Scheduler[Still] = Scheduler(settings.max_stills)
        # As the workers describe it, and with the labels of the gestures in service.
        self._model: ServedModel | None = None
        self._info: ServedModel | None = None
        self._gestures: tuple[GestureClassifier, ...] = ()
        # Packed once: workers start again at any time, and each gets the same bytes.
        self._packed_gestures = pack_gestures(())
        self._infer_ms = RecentValues(RECENT)
        # Told of the pictures and the milliseconds of every batch.
        self.on_batch: Callable[[int, float], None] = lambda pictures, infer_ms: None
        self._stopped = False
        stills = stills or arena
        init = WorkerInit(settings.detector(), arena.shape, stills.shape)
        self._workers = [
            self._make_worker(index, target, init, (arena, stills), supervision)
            for index in range(settings.workers)
        ]
        self._dispatcher = Dispatcher(settings, self._scheduler, self._workers, clock)
        # None where the workers run the networks themselves.
        self._remote: RemoteWatch | None = None
        if settings.backend == "triton":
            self._remote = RemoteWatch(self._workers, len(settings.triton.endpoints), self._on_fallback)

    async def start(self) -> None:
        """Starts the workers; returns once the first is warm. Raises WorkerStartError where none ever was."""
        if self._remote is not None:
            self._remote.start()
        await start_any([worker.process for worker in self._workers])

    async def stop(self) -> None:
        """Stops the workers; what they hold is finished within the grace, what waits is answered as lost."""
        # Before anything is awaited: results that arrive during the stop must not start another batch.
        self._stopped = True
        self._dispatcher.stop()
        if self._remote is not None:
            self._remote.stop()
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
        self._dispatcher.wake()
        if superseded is not None:
            # Last: the callback may use the pool, whose state is complete by now.
            self._lose_frame(superseded, DropReason.SUPERSEDED, "a newer frame took its place")

    def forget(self, key: int) -> None:
        """A participant left; what waits of it is superseded, what a worker holds of it still ends."""
        if (waiting := self._scheduler.forget(key)) is not None:
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
        still = Still(picture, asyncio.get_running_loop().create_future())
        if not self._scheduler.offer_still(still):
            raise Unavailable(f"expected at most {self._settings.max_stills} stills to wait, got one more")
        self._dispatcher.wake()
        try:
            return await still.answer
        finally:
            # Where the caller was cancelled, the still may still wait.
            self._scheduler.withdraw(still)

    def statistics(self) -> DetectStatistics:
        """The figures as they stand."""
        return DetectStatistics(
            queue=self._scheduler.statistics(),
            in_flight=sum(worker.held for worker in self._workers),
            batches=dict(sorted(self._dispatcher.batches.items())),
            infer=DurationStatistics.of(self._infer_ms),
            wait=DurationStatistics.of(self._dispatcher.wait_ms),
            workers=tuple(worker.process.statistics() for worker in self._workers),
            remote=None if self._remote is None else self._remote.statistics(),
        )

    # Workers

    def _make_worker(
        self,
        index: int,
        target: str,
        init: WorkerInit,
        arenas: tuple[Arena, Arena],
        supervision: SupervisionSettings,
    ) -> WorkerHandle:
        worker = WorkerHandle()
        worker.process = SupervisedWorker(
            f"detect-{index}",
            target,
            init,
            types=MESSAGES,
            profile=DETECTOR,
            fds={ARENA_FD: arenas[0].fd, STILLS_FD: arenas[1].fd},
            env=self._settings.environment(index),
            on_message=lambda message: self._on_message(worker, message),
            on_ready=lambda info: self._on_ready(worker, info),
            on_lost=lambda loss: self._lose(worker, loss.reason),
            on_state=lambda _: self._on_state(),
            settings=supervision,
            clock=self._clock,
        )
        return worker

    def _on_ready(self, worker: WorkerHandle, info: ServedModel) -> None:
        self._model = info
        self._describe()
        # Before any batch: a worker that comes back finds the same gestures as the others.
        if self._gestures and worker.process.is_ready:
            worker.process.send(self._packed_gestures)
        self._dispatcher.wake()

    def _describe(self) -> None:
        if self._model is None:
            return
        self._info = add_gesture_labels(self._model, self._gestures)
        if self._remote is not None and self._remote.is_fallback:
            self._info = replace(self._info, backend=FALLBACK)

    def _on_fallback(self) -> None:
        assert self._remote is not None, "expected a watch that reports a change"
        runs = FALLBACK if self._remote.is_fallback else self._settings.backend
        self._dispatcher.batch_limit = self._settings.batch_limit_of(runs)
        self._describe()

    def _on_message(self, worker: WorkerHandle, message: BatchResult | RemoteReport) -> None:
        if isinstance(message, BatchResult):
            self._on_result(worker, message)
        elif self._remote is not None and worker.is_asked:
            worker.is_asked = False
            self._remote.take(worker, message)
        else:
            raise InvalidMessage("expected no report that nobody asked for, got one")

    def _on_result(self, worker: WorkerHandle, result: BatchResult) -> None:
        """Raises InvalidMessage where this does not answer the batch that the worker holds; nothing is changed then."""
        answers = worker.read(result)
        frames, stills = worker.clear()
        self._infer_ms.record(result.infer_ms)
        self.on_batch(len(answers), result.infer_ms)
        # The worker is free. What waits goes to it at the end of this turn of the loop, after the callbacks below.
        self._dispatcher.wake()
        for frame, answer in zip(frames, answers[: len(frames)], strict=True):
            if isinstance(answer, str):
                self._lose_frame(frame, DropReason.DETECT_FAILED, answer)
            else:
                self._call(self._on_detected, frame, answer)
        for still, answer in zip(stills, answers[len(frames) :], strict=True):
            still.settle(answer)

    def _on_state(self) -> None:
        if self.has_failed:
            self._lose_waiting("every detector failed")

    def _lose(self, worker: WorkerHandle, reason: str) -> None:
        """What the worker held is lost; what waits is taken by another one, or by its successor."""
        worker.is_asked = False
        if self._remote is not None:
            self._remote.forget(worker)
        frames, stills = worker.clear()
        for frame in frames:
            self._lose_frame(frame, DropReason.DETECT_WORKER_LOST, reason)
        for still in stills:
            still.refuse(WorkerLost(f"the detector was lost: {reason}"))

    def _lose_waiting(self, reason: str) -> None:
        while len(self._scheduler):
            frames, stills = self._scheduler.take(len(self._scheduler))
            for frame in frames:
                self._lose_frame(frame, DropReason.DETECT_WORKER_LOST, reason)
            for still in stills:
                still.refuse(Unavailable(reason))

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
