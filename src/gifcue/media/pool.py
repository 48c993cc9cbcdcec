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
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.errors import WorkerLost
from gifcue.media.answers import check_size, check_slot
from gifcue.media.assignment import DecodedParticipant, WorkerHandle, preference
from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import LongUnits, StreamLongUnits
from gifcue.media.messages import (
    MESSAGES,
    Close,
    DecoderMemory,
    Dropped,
    Forget,
    FromWorker,
    Grant,
    Hold,
    Open,
    Outcome,
    Pace,
    Picture,
    StartOver,
    Submit,
    ToWorker,
    WorkerInit,
)
from gifcue.media.overload import OverloadControl, Relief
from gifcue.media.queue_watch import QueueWatch
from gifcue.media.queues import Backlog, ParticipantQueue, WaitingUnit
from gifcue.media.settings import MediaSettings
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
        self._slot_bytes = arena.shape.slot_bytes
        self._on_outcome = on_outcome
        self._on_decoder_lost = on_decoder_lost
        self._on_incident = on_incident
        self._cells = UnitCells.create(settings.workers)
        self._clock = clock
        self._buffered_bytes = 0
        self._participants: dict[int, DecodedParticipant] = {}
        # The frame whose picture the slot holds.
        self._slots_out: dict[int, FrameInFlight] = {}
        self._fps = settings.max_analysis_fps
        self._has_started = False
        self._workers = [
            self._make_worker(index, arena, supervision or SupervisionSettings(), clock)
            for index in range(settings.workers)
        ]
        self._watch = QueueWatch(
            self._participants,
            self._workers,
            drop=self._drop,
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
            self._settle(worker, "the decode workers stopped")
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
        if key in self._participants:
            raise ValueError(f"expected a key that is not in use, got {key}")
        queue = ParticipantQueue(long_units=LongUnits(long_units, self._clock()))
        participant = self._participants[key] = DecodedParticipant(key, codec, extradata, queue=queue)
        if worker is not None:
            participant.is_pinned = True
            participant.worker = self._workers[worker]
        self._assign(participant)

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
            self._send(participant.worker, Close(key))
        self._drop(participant, participant.queue.clear(), DropReason.LEFT, "the participant left")
        self._retire(participant)

    def start_over(self, key: int) -> None:
        """Forgets every picture decoded so far, including those that later frames build on, and drops what waits. The
        next frame must be a keyframe.
        """
        participant = self._participants.get(key)
        if participant is not None and participant.worker is not None and not participant.closed:
            if participant.has_pictures:
                participant.has_pictures = False
                self._send(participant.worker, StartOver(key))
            message = "the participant allows no label any more"
            self._drop(participant, participant.queue.clear(), DropReason.NOT_ALLOWED, message)

    def quarantine(self, key: int, message: str) -> None:
        """Drops what waits of a participant that is refused from now on."""
        participant = self._participants.get(key)
        if participant is not None:
            self._drop(participant, participant.queue.clear(), DropReason.QUARANTINED, message)

    def submit(self, frame: FrameInFlight, payload: bytes) -> None:
        """Submits a frame of an open participant; `payload` is its access unit of `frame.size_bytes`.

        Raises:
            KeyError: the participant is not open.
        """
        participant = self._participants[frame.key]
        if participant.closed:
            raise KeyError(frame.key)
        participant.unanswered[frame.token] = frame
        participant.buffered_bytes += frame.size_bytes
        self._buffered_bytes += frame.size_bytes
        worker = participant.worker
        if worker is None or not worker.is_ready:
            # Not at once: the caller has not finished with the frame, and an outcome from within `submit` would reach
            # it before its own call returns.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._lose_frame, participant, frame.token, "no decoder is ready")
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
                self._send(participant.worker, Hold(key, holding))

    def pace(self, fps: float) -> None:
        """Sets how many pictures a second of each participant are wanted, at most the number in the settings."""
        self._fps = fps
        for worker in self._workers:
            self._send(worker, Pace(fps))

    def release(self, slot: int, *, analysed: bool) -> None:
        """A detector is done with a slot. `analysed=False`: the picture was not analysed, so nothing may be skipped as
        similar to it.

        Raises:
            KeyError: the slot is not out.
        """
        frame = self._slots_out.pop(slot)
        frame.slot = None
        if not analysed:
            participant = self._participants.get(frame.key)
            if participant is not None and participant.worker is not None and not participant.closed:
                self._send(participant.worker, Forget(frame.key))
        worker = next(worker for worker in self._workers if slot in worker.slots)
        # Where the worker is not ready this grants nothing: its successor is granted the slot when it is ready, with
        # all others that are not out by then.
        self._send(worker, Grant((slot,)))

    def backlog(self, key: int) -> Backlog:
        """What was submitted and not answered. A participant that is not open has nothing."""
        participant = self._participants.get(key)
        if participant is None:
            return Backlog(0, 0, self._buffered_bytes)
        return Backlog(len(participant.unanswered), participant.buffered_bytes, self._buffered_bytes)

    def statistics(self) -> DecodeStatistics:
        """The figures as they stand."""
        return DecodeStatistics(
            workers=tuple(worker.process.statistics() for worker in self._workers),
            participants=sum(not participant.closed for participant in self._participants.values()),
            units=sum(len(participant.unanswered) for participant in self._participants.values()),
            bytes=self._buffered_bytes,
            decoder_bytes=sum(worker.decoder_bytes for worker in self._workers),
            overloaded=sum(worker.control.is_overloaded for worker in self._workers),
            paused=sum(len(worker.control.paused) for worker in self._workers),
            oldest_s=self._watch.oldest_s,
            slots=sum(len(worker.slots) for worker in self._workers),
            slots_out=len(self._slots_out),
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
        participant = self._check(worker, message)
        # Before the outcome is told: whoever hears of it may submit the next frame.
        worker.lane.answered(participant.queue, message.spent_s, self._clock())
        if message.spent_s * 1000.0 > self._settings.unit_cpu_ms:
            self._was_expensive(worker, message)
        self._finish(participant, message)
        self._fill(worker)

    def _check(self, worker: WorkerHandle, outcome: Outcome) -> DecodedParticipant:
        """Returns the participant whose oldest frame this answers. Raises InvalidMessage where there is none."""
        participant = self._participants.get(outcome.key)
        if participant is None or participant.worker is not worker:
            raise InvalidMessage(f"expected a participant of this worker, got {outcome.key}")
        # A worker answers in order. What it was sent comes before what waits for it.
        sent = bool(participant.queue.charged)
        if not sent or next(iter(participant.unanswered)) != outcome.token:
            raise InvalidMessage(f"expected the token of the oldest frame that was sent, got {outcome.token}")
        if isinstance(outcome, Picture):
            check_slot(outcome.slot, worker.slots, self._slots_out)
            check_size(outcome.width, outcome.height, self._slot_bytes)
        return participant

    def _ready(self, worker: WorkerHandle) -> None:
        # The slots first: a picture that is decoded before they come is dropped. Those that are out are still read.
        self._send(worker, Grant(tuple(slot for slot in worker.slots if slot not in self._slots_out)))
        if self._fps != self._settings.max_analysis_fps:
            self._send(worker, Pace(self._fps))
        # Participants of workers that are not expected back soon come here.
        for other in self._workers:
            if other.has_failed:
                moved = {key for key in other.keys if not self._participants[key].is_pinned}
                worker.keys |= moved
                other.keys -= moved
        opened = sorted(worker.keys)
        for key in opened:
            self._participants[key].worker = worker
            self._open_on(worker, self._participants[key])
        if opened and (self._has_started or worker.process.statistics().restarts):
            # Last: the callback may submit frames at once, and every participant has a decoder by now.
            self._on_decoder_lost(opened)

    def _changed(self, worker: WorkerHandle, state: WorkerState) -> None:
        if state is WorkerState.FAILED:
            self._lost(worker, Loss(worker.process.statistics().last_failure, is_blameless=True))

    def _lost(self, worker: WorkerHandle, loss: Loss) -> None:
        """The process is dead; it is restarted after this call."""
        self._blame(worker, loss)
        # What it was sent ends before its participants move: an outcome of the new worker for a later frame must not
        # come before those of the frames that were lost.
        self._settle(worker, loss.reason)
        self._move(worker)

    def _blame(self, worker: WorkerHandle, loss: Loss) -> None:
        """Finds whose unit the worker had in hand. Does nothing where the unit has nothing to do with the loss."""
        unit = self._cells.take(worker.number)
        if unit is None or loss.is_blameless:
            return
        # The worker may have written anything before it died.
        participant = self._participants.get(unit.key)
        if (
            participant is None
            or participant.worker is not worker
            or unit.token not in participant.unanswered
        ):
            return
        participant.is_pinned = True
        # Before the outcome: a participant that has left is forgotten with its last frame.
        self._on_incident(Incident(*unit, worker.number, worker.process.name, loss.log_reason, is_fatal=True))
        if loss.is_over_budget:
            limit_ms = self._settings.unit_cpu_limit_s * 1000.0
            message = (
                f"expected at most {limit_ms:g} ms of CPU time for one frame; the decoder was ended there"
            )
            outcome = Dropped(unit.key, unit.token, DropReason.CPU_BUDGET, message, needs_keyframe=False)
            self._finish(participant, outcome)

    def _was_expensive(self, worker: WorkerHandle, outcome: Outcome) -> None:
        reason = (
            f"expected at most {self._settings.unit_cpu_ms:g} ms of CPU time for one frame, "
            f"got {outcome.spent_s * 1000.0:.0f} ms"
        )
        name = worker.process.name
        self._on_incident(Incident(outcome.key, outcome.token, worker.number, name, reason, is_fatal=False))

    # Internal

    def _assign(self, participant: DecodedParticipant) -> None:
        worker = participant.worker
        if worker is None or not participant.is_pinned:
            worker = participant.worker = min(self._workers, key=preference)
        worker.keys.add(participant.key)
        if worker.is_ready:
            self._open_on(worker, participant)

    def _open_on(self, worker: WorkerHandle, participant: DecodedParticipant) -> None:
        self._send(worker, Open(participant.key, participant.codec, participant.extradata))
        if participant.holding:
            self._send(worker, Hold(participant.key, True))

    def _move(self, worker: WorkerHandle) -> None:
        """Gives a lost worker's participants to workers that are ready, or lets them wait for its restart."""
        keys = sorted(worker.keys)
        worker.keys.clear()
        worker.control = OverloadControl()
        worker.decoder_bytes = 0
        moved = []
        for key in keys:
            participant = self._participants[key]
            self._assign(participant)
            if participant.worker is not None and participant.worker.is_ready:
                moved.append(key)
        if moved:
            self._on_decoder_lost(moved)

    def _settle(self, worker: WorkerHandle, reason: str) -> None:
        """Ends everything that a worker was sent and will not answer any more."""
        for participant in list(self._participants.values()):
            if participant.worker is worker:
                worker.lane.leave(participant.queue)
                participant.queue.clear()
                for token in list(participant.unanswered):
                    self._lose_frame(participant, token, reason)

    def _lose_frame(self, participant: DecodedParticipant, token: int, reason: str) -> None:
        if token in participant.unanswered:
            # No keyframe is asked for yet: `on_decoder_lost` does once there is a decoder for it.
            message = f"the decode worker was lost: {reason}"
            outcome = Dropped(
                participant.key, token, DropReason.DECODE_WORKER_LOST, message, needs_keyframe=False
            )
            self._finish(participant, outcome)

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
            self._send(worker, Submit(frame.key, frame.token, frame.pts_s, unit.payload, frame.rotation))

    def _drop(
        self, participant: DecodedParticipant, units: list[WaitingUnit], reason: DropReason, message: str
    ) -> None:
        """Ends units that were taken out of a participant's queue."""
        # Where a keyframe still waits, decoding continues there.
        needs_keyframe = not participant.queue.units and not participant.codec.is_intra_only
        for frame, _ in units:
            self._finish(participant, Dropped(participant.key, frame.token, reason, message, needs_keyframe))

    def _finish(self, participant: DecodedParticipant, outcome: Outcome) -> None:
        # All state is updated before the callback, which may ask for the backlog, close the participant or release the
        # slot.
        frame = participant.unanswered.pop(outcome.token)
        participant.buffered_bytes -= frame.size_bytes
        self._buffered_bytes -= frame.size_bytes
        if isinstance(outcome, Picture):
            frame.slot, frame.pts_s = outcome.slot, outcome.pts_s
            frame.width, frame.height = outcome.width, outcome.height
            self._slots_out[outcome.slot] = frame
        elif not isinstance(outcome, Dropped):
            frame.pts_s = outcome.pts_s
        self._on_outcome(frame, outcome)
        self._retire(participant)

    def _retire(self, participant: DecodedParticipant) -> None:
        if participant.closed and not participant.unanswered:
            self._participants.pop(participant.key, None)

    def _send(self, worker: WorkerHandle, message: ToWorker) -> bool:
        """Sends a message; False where the worker is not ready. The message is then discarded."""
        with contextlib.suppress(WorkerLost):
            worker.process.send(message)
            return True
        return False
