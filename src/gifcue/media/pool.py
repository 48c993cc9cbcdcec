"""The front's side of decoding: which worker decodes which participant, what each was sent, which slots are in use.

    submit ─► the worker's lane ─► the participant's worker ─► on_outcome       exactly once a frame

Units wait in the worker's lane (`gifcue.media.queues`) and are sent a few at a time; those that wait too long end as
Dropped(OVERLOAD), those of a participant that leaves as Dropped(LEFT). A worker answers a participant's units in their
order; a unit that is dropped in the lane may end before those that the worker has.

The pool keeps what a worker was sent, so that nothing is lost with it: what the worker did not answer ends as
Dropped(DECODE_WORKER_LOST), its participants get a decoder elsewhere, and slots that a detector still reads are not
granted to its successor before they come back. Everything runs on the event loop's thread; no pixel is touched.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.media.assignment import Assignment, DecodedParticipant, WorkerHandle
from gifcue.media.blame import Blame
from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import LongUnits, StreamLongUnits
from gifcue.media.messages import (
    MESSAGES,
    Close,
    DecoderMemory,
    Forget,
    FromWorker,
    Grant,
    Hold,
    Outcome,
    Pace,
    StartOver,
    Submit,
    WorkerInit,
)
from gifcue.media.overload import OverloadControl, Relief
from gifcue.media.queue_watch import QueueWatch
from gifcue.media.queues import Backlog, ParticipantQueue, WaitingUnit
from gifcue.media.settings import MediaSettings
from gifcue.media.submissions import Submissions
from gifcue.media.suspects import Incident
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState, WorkerStatus
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.confinement.profile import decoder
from gifcue.workers.loss import Loss
from gifcue.workers.messages import InvalidMessage
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker
from gifcue.workers.units import UNITS_FD, UnitCells

WORKER_TARGET = "gifcue.media.worker:main"


@dataclass(frozen=True, slots=True)
class DecodeStatistics:
    """`units` and `bytes` are access units submitted and not answered. `oldest_s` is how long the longest has waited of
    those that no worker has. `decoder_bytes` is what all decoders take, by estimate. `overloaded` workers have more to
    decode than they can in time, and `paused` participants are not decoded because of that. Of `slots`, `slots_out`
    hold a picture that waits for a detector or is with one.
    """

    workers: tuple[WorkerStatus, ...]
    participants: int
    units: int
    bytes: int
    oldest_s: float
    decoder_bytes: int
    overloaded: int
    paused: int
    slots: int
    slots_out: int


class DecodePool:
    """Decodes many participants' streams in a few processes.

    `on_outcome` is called once for each submitted frame, never from within `submit`. `on_decoder_lost` is called with
    the keys of participants that lost their decoder and have a new one now, which awaits a keyframe, and which is not
    paused. `on_relief` is called where a worker has more to decode than it can in time, and when that is over.
    `on_incident` is called for a unit that a worker had in hand when it was lost, and for one that took more CPU time
    than its budget; the unit's outcome follows.
    """

    def __init__(
        self,
        settings: MediaSettings,
        arena: Arena,
        supervision: SupervisionSettings | None = None,
        *,
        on_outcome: Callable[[FrameInFlight, Outcome], None],
        on_decoder_lost: Callable[[list[int]], None],
        on_incident: Callable[[Incident], None],
        on_relief: Callable[[Relief], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        max_wait_s: float = math.inf,
    ) -> None:
        """`arena` needs a range for each worker, of slots of `settings.slot_bytes` at least. What waits longer than
        `max_wait_s` for its worker, by `clock` since the frame's arrival, is dropped.

        Raises:
            ValueError: it has not.
            OSError: the system has no memory for the workers' cells.
        """
        if arena.shape.ranges < settings.workers or arena.shape.slot_bytes < settings.slot_bytes:
            raise ValueError(
                f"expected an arena of {settings.workers} ranges and slots of {settings.slot_bytes} bytes, "
                f"got {arena.shape.ranges} and {arena.shape.slot_bytes}"
            )
        self._settings = settings
        self._cells = UnitCells.create(settings.workers)
        self._clock = clock
        self._submissions = Submissions(arena.shape.slot_bytes, on_outcome)
        self._participants = self._submissions.participants
        self._blame = Blame(settings, self._cells, self._submissions, on_incident)
        self._fps = settings.max_analysis_fps
        self._has_started = False
        self._workers = [
            self._make_worker(index, arena, supervision or SupervisionSettings(), clock)
            for index in range(settings.workers)
        ]
        self._assignment = Assignment(self._participants, self._workers, on_decoder_lost)
        self._watch = QueueWatch(
            self._participants,
            self._workers,
            drop=self._submissions.drop,
            fill=self._fill,
            on_relief=on_relief,
            clock=clock,
            max_wait_s=max_wait_s,
        )

    def _make_worker(
        self, index: int, arena: Arena, supervision: SupervisionSettings, clock: Callable[[], float]
    ) -> WorkerHandle:
        worker = WorkerHandle(index, arena.slots_of(index))
        worker.process = SupervisedWorker(
            f"decode-{index}",
            WORKER_TARGET,
            WorkerInit(self._settings, arena.shape, index, self._settings.workers),
            types=MESSAGES,
            profile=decoder(self._settings.decoder_memory_mb * 1_000_000),
            fds={ARENA_FD: arena.fd, UNITS_FD: self._cells.fd},
            on_message=lambda outcome: self._answered(worker, outcome),
            on_ready=lambda _: self._ready(worker),
            on_lost=lambda loss: self._lost(worker, loss),
            on_state=lambda state: self._changed(worker, state),
            settings=supervision,
            clock=clock,
        )
        return worker

    # Lifecycle

    async def start(self) -> None:
        """Starts the workers; returns once all are ready.

        Raises:
            WorkerStartError: one never became ready.
        """
        for worker in self._workers:
            worker.process.start()
        await asyncio.gather(*(worker.process.wait_ready() for worker in self._workers))
        self._has_started = True

    async def stop(self) -> None:
        """Lets the workers finish what they hold, then ends them. Every frame has its outcome afterwards."""
        await asyncio.gather(*(worker.process.stop() for worker in self._workers))
        self._watch.stop()
        # A stopped worker does not call `on_lost`, so what it left unanswered is settled here.
        for worker in self._workers:
            self._submissions.settle(worker, "the decode workers stopped")
        self._cells.close()

    @property
    def is_ready(self) -> bool:
        """True while any worker decodes."""
        return any(worker.is_ready for worker in self._workers)

    @property
    def is_overloaded(self) -> bool:
        """True while every worker that decodes has more to decode than it can in time."""
        ready = [worker for worker in self._workers if worker.is_ready]
        return bool(ready) and all(worker.control.is_overloaded for worker in ready)

    @property
    def is_running(self) -> bool:
        """True between start and stop: every worker that ends is restarted."""
        return all(worker.process.is_supervised for worker in self._workers)

    @property
    def has_failed(self) -> bool:
        """True while no worker is ready or expected back soon."""
        return all(worker.has_failed for worker in self._workers)

    # Participants

    def open(
        self,
        key: int,
        codec: Codec,
        extradata: bytes,
        *,
        worker: int | None = None,
        long_units: StreamLongUnits | None = None,
    ) -> None:
        """A participant joins; it stays with the worker that has the fewest until that worker is lost. With `worker`,
        the number of one, it stays with that one. `long_units` are those of its stream.

        Raises:
            ValueError: the key is taken.
        """
        queue = ParticipantQueue(long_units=LongUnits(long_units, self._clock()))
        participant = DecodedParticipant(key, codec, extradata, queue=queue)
        self._submissions.open(participant)
        if worker is not None:
            participant.is_pinned = True
            participant.worker = self._workers[worker]
        self._assignment.assign(participant)

    def close(self, key: int) -> None:
        """A participant leaves: no more frames of it come. Those that a worker has are finished, the others dropped."""
        participant = self._participants.get(key)
        if participant is None or participant.closed:
            return
        participant.closed = True
        participant.queue.long_units.leave(self._clock())
        if participant.worker is not None:
            participant.worker.keys.discard(key)
            participant.worker.control.forget(key)
            if not participant.worker.keys:
                # With nobody left there is no overload: who comes next is not held to what was before.
                participant.worker.control = OverloadControl()
            participant.worker.send(Close(key))
        self._submissions.drop(
            participant, participant.queue.clear(), DropReason.LEFT, "the participant left"
        )
        self._submissions.retire(participant)

    def start_over(self, key: int) -> None:
        """Forgets every picture decoded so far, including those that later frames build on, and drops what waits. The
        next frame must be a keyframe.
        """
        participant = self._participants.get(key)
        if participant is not None and participant.worker is not None and not participant.closed:
            if participant.has_pictures:
                participant.has_pictures = False
                participant.worker.send(StartOver(key))
            message = "the participant allows no label any more"
            self._submissions.drop(participant, participant.queue.clear(), DropReason.NOT_ALLOWED, message)

    def quarantine(self, key: int, message: str) -> None:
        """Drops what waits of a participant that is refused from now on."""
        participant = self._participants.get(key)
        if participant is not None:
            self._submissions.drop(participant, participant.queue.clear(), DropReason.QUARANTINED, message)

    def submit(self, frame: FrameInFlight, payload: bytes) -> None:
        """Submits a frame of an open participant; `payload` is its access unit of `frame.size_bytes`.

        Raises:
            KeyError: the participant is not open.
        """
        participant = self._submissions.add(frame)
        worker = participant.worker
        if worker is None or not worker.is_ready:
            # Not at once: the caller has not finished with the frame, and an outcome from within `submit` would reach
            # it before its own call returns.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._submissions.lose, participant, frame.token, "no decoder is ready")
            return
        worker.lane.push(participant.queue, WaitingUnit(frame, payload))
        self._fill(worker)
        if participant.queue.units:
            self._watch.start()

    def set_hold(self, key: int, holding: bool) -> None:
        """Nothing of this participant is skipped as similar while a hold runs."""
        participant = self._participants.get(key)
        if participant is not None and participant.holding != holding:
            participant.holding = holding
            if participant.worker is not None:
                participant.worker.send(Hold(key, holding))

    def pace(self, fps: float) -> None:
        """Sets how many pictures a second of each participant are wanted, at most the number in the settings."""
        self._fps = fps
        for worker in self._workers:
            worker.send(Pace(fps))

    def release(self, slot: int, *, analysed: bool) -> None:
        """A detector is done with a slot. `analysed=False`: the picture was not analysed, so nothing may be skipped as
        similar to it.

        Raises:
            KeyError: the slot is not out.
        """
        frame = self._submissions.release(slot)
        if not analysed:
            participant = self._participants.get(frame.key)
            if participant is not None and participant.worker is not None and not participant.closed:
                participant.worker.send(Forget(frame.key))
        worker = next(worker for worker in self._workers if slot in worker.slots)
        # Where the worker is not ready this grants nothing: its successor is granted the slot when it is ready, with
        # all others that are not out by then.
        worker.send(Grant((slot,)))

    def backlog(self, key: int) -> Backlog:
        """What was submitted and not answered. A participant that is not open has nothing."""
        return self._submissions.backlog(key)

    def statistics(self) -> DecodeStatistics:
        """The figures as they stand."""
        return DecodeStatistics(
            workers=tuple(worker.process.statistics() for worker in self._workers),
            participants=sum(not participant.closed for participant in self._participants.values()),
            units=sum(len(participant.unanswered) for participant in self._participants.values()),
            bytes=self._submissions.bytes,
            decoder_bytes=sum(worker.decoder_bytes for worker in self._workers),
            overloaded=sum(worker.control.is_overloaded for worker in self._workers),
            paused=sum(len(worker.control.paused) for worker in self._workers),
            oldest_s=self._watch.oldest_s,
            slots=sum(len(worker.slots) for worker in self._workers),
            slots_out=len(self._submissions.slots_out),
        )

    # Called by the workers

    def _answered(self, worker: WorkerHandle, message: FromWorker) -> None:
        """Raises InvalidMessage where the worker was sent nothing that this answers; nothing is changed then."""
        if isinstance(message, DecoderMemory):
            most = self._settings.decoder_memory_mb * 1_000_000
            if message.held_bytes > most:
                raise InvalidMessage(f"expected decoders of at most {most} bytes, got {message.held_bytes}")
            worker.decoder_bytes = message.held_bytes
            return
        participant = self._submissions.check(worker, message)
        # Before the outcome is told: whoever hears of it may submit the next frame.
        worker.lane.answered(participant.queue, message.spent_s, self._clock())
        self._blame.answered(worker, message)
        self._submissions.finish(participant, message)
        self._fill(worker)

    def _ready(self, worker: WorkerHandle) -> None:
        # The slots first: a picture that is decoded before they come is dropped. Those that are out are still read.
        worker.send(Grant(tuple(slot for slot in worker.slots if slot not in self._submissions.slots_out)))
        if self._fps != self._settings.max_analysis_fps:
            worker.send(Pace(self._fps))
        is_new = not self._has_started and not worker.process.statistics().restarts
        self._assignment.ready(worker, is_new=is_new)

    def _changed(self, worker: WorkerHandle, state: WorkerState) -> None:
        if state is WorkerState.FAILED:
            self._lost(worker, Loss(worker.process.statistics().last_failure, is_blameless=True))

    def _lost(self, worker: WorkerHandle, loss: Loss) -> None:
        """The process is dead; it is restarted after this call."""
        self._blame.lost(worker, loss)
        # What it was sent ends before its participants move: an outcome of the new worker for a later frame must not
        # come before those of the frames that were lost.
        self._submissions.settle(worker, loss.reason)
        self._assignment.move(worker)

    # Internal

    def _fill(self, worker: WorkerHandle) -> None:
        """Sends the worker what its window has room for."""
        if not worker.lane.is_due or not worker.is_ready:
            return
        now_s = self._clock()
        while worker.is_ready and (unit := worker.lane.take(now_s)) is not None:
            frame = unit.frame
            participant = self._participants[frame.key]
            participant.has_pictures = True
            participant.queue.sent(now_s - frame.arrived_s)
            worker.send(Submit(frame.key, frame.token, frame.pts_s, unit.payload, frame.rotation))
