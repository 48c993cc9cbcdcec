"""The front's side of decoding: which worker holds which participant, what each was sent, which slots are
out.

    submit ─► least loaded worker's queue ─► on_outcome            exactly once a unit, in order a participant

FrameCounts are kept here so that nothing is lost with a worker: what it was sent and did not answer ends as
Dropped(DECODE_WORKER_LOST), its participants get a decoder elsewhere, and slots that a detector still reads
are not granted to its successor before they come back. Everything runs on the event loop's thread; no pixel
is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gifcue.errors import MediaError, Unavailable, WorkerLost
from gifcue.media.messages import (
    ARENA_FD,
    Close,
    Dropped,
    Forget,
    Grant,
    Hold,
    Open,
    Outcome,
    Pace,
    Picture,
    Skipped,
    StartOver,
    StillDone,
    StillFailed,
    StillRequest,
    Submit,
    ToWorker,
    Unit,
    WorkerInit,
)
from gifcue.media.settings import MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState, WorkerStatus
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker

WORKER_TARGET = "gifcue.media.worker:main"


@dataclass(frozen=True, slots=True)
class DecodeStatistics:
    """`units` and `bytes` are those submitted and not answered; `slots_out` wait for detectors."""

    workers: tuple[WorkerStatus, ...]
    participants: int
    units: int
    bytes: int
    stills: int
    slots: int
    slots_out: int


@dataclass(eq=False, slots=True)
class _Participant:
    key: int
    codec: Codec
    extradata: bytes
    seat: _Seat | None
    holding: bool = False
    closed: bool = False
    # Bytes by token, in the order in which they were submitted.
    waiting: dict[int, int] = field(default_factory=dict)
    buffered_bytes: int = 0


@dataclass(eq=False, slots=True)
class _Seat:
    """A worker's place in the pool: it stays through restarts, with its range of slots."""

    index: int
    slots: range
    keys: set[int] = field(default_factory=set)
    stills: dict[int, asyncio.Future[StillDone]] = field(default_factory=dict)
    worker: SupervisedWorker = field(init=False)

    @property
    def has_failed(self) -> bool:
        return self.worker.state is WorkerState.FAILED


class DecodePool:
    """Decodes many participants' streams in a few processes.

    `on_outcome` is called once for each submitted unit, never from within `submit`; `on_worker_lost` with the
    keys of participants that lost their decoder and have a new one now, which awaits a keyframe.
    """

    def __init__(
        self,
        settings: MediaSettings,
        arena: Arena,
        supervision: SupervisionSettings | None = None,
        *,
        on_outcome: Callable[[Outcome], None],
        on_worker_lost: Callable[[list[int]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`arena` needs a range for each worker, of slots of `settings.slot_bytes` at least.

        Raises:
            ValueError: it has not.
        """
        if arena.shape.ranges < settings.workers or arena.shape.slot_bytes < settings.slot_bytes:
            raise ValueError(
                f"expected an arena of {settings.workers} ranges and slots of {settings.slot_bytes} bytes, "
                f"got {arena.shape.ranges} and {arena.shape.slot_bytes}"
            )
        self._settings = settings
        self._on_outcome = on_outcome
        self._on_worker_lost = on_worker_lost
        self._participants: dict[int, _Participant] = {}
        # Slot: the key of the participant in the picture, None for a still.
        self._slots_out: dict[int, int | None] = {}
        self._still_numbers = itertools.count(1)
        self._fps = settings.max_analysis_fps
        self._seats = [
            self._seat(index, arena, supervision or SupervisionSettings(), clock)
            for index in range(settings.workers)
        ]

    def _seat(
        self, index: int, arena: Arena, supervision: SupervisionSettings, clock: Callable[[], float]
    ) -> _Seat:
        seat = _Seat(index, arena.slots_of(index))
        seat.worker = SupervisedWorker(
            f"decode-{index}",
            WORKER_TARGET,
            WorkerInit(self._settings, arena.shape),
            fds={ARENA_FD: arena.fd},
            on_message=lambda message: self._answered(seat, message),
            on_ready=lambda _: self._ready(seat),
            on_lost=lambda reason: self._lost(seat, reason),
            on_state=lambda state: self._state(seat, state),
            settings=supervision,
            clock=clock,
        )
        return seat

    # Lifecycle

    async def start(self) -> None:
        """Starts the workers; returns once all are ready.

        Raises:
            WorkerStartError: one never became ready.
        """
        for seat in self._seats:
            seat.worker.start()
        await asyncio.gather(*(seat.worker.wait_ready() for seat in self._seats))

    async def stop(self) -> None:
        """Lets the workers finish what they hold, then ends them. Every unit has its outcome afterwards."""
        await asyncio.gather(*(seat.worker.stop() for seat in self._seats))
        for seat in self._seats:
            self._settle(seat, "the decode workers stopped")

    @property
    def ready(self) -> bool:
        """True while any worker decodes."""
        return any(seat.worker.ready for seat in self._seats)

    @property
    def failed(self) -> bool:
        """True once no worker is left that may come back."""
        return all(seat.has_failed for seat in self._seats)

    # Participants

    def open(self, key: int, codec: Codec, extradata: bytes) -> None:
        """A participant comes; it stays with the worker that has the fewest until that is lost.

        Raises:
            ValueError: the key is taken.
        """
        if key in self._participants:
            raise ValueError(f"expected a key that is not in use, got {key}")
        participant = self._participants[key] = _Participant(key, codec, extradata, None)
        self._assign(participant)

    def close(self, key: int) -> None:
        """A participant goes: no more units of it come, those submitted are finished."""
        participant = self._participants.get(key)
        if participant is None or participant.closed:
            return
        participant.closed = True
        if participant.seat is not None:
            participant.seat.keys.discard(key)
            self._send(participant.seat, Close(key))
        self._retire(participant)

    def start_over(self, key: int) -> None:
        """What is decoded of a participant by then is forgotten, pictures that others build on included; its next unit
        must be a keyframe.
        """
        participant = self._participants.get(key)
        if participant is not None and participant.seat is not None and not participant.closed:
            self._send(participant.seat, StartOver(key))

    def submit(self, key: int, unit: Unit) -> None:
        """Sends a unit on its way. Raises KeyError for a participant that is not open."""
        participant = self._participants[key]
        if participant.closed:
            raise KeyError(key)
        size = len(unit.payload)
        participant.waiting[unit.token] = size
        participant.buffered_bytes += size
        if participant.seat is None or not self._send(participant.seat, Submit(key, unit)):
            # Later and not now: the caller is still busy with the unit.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._lose_unit, participant, unit.token, "no decoder is ready")

    def set_hold(self, key: int, holding: bool) -> None:
        """Nothing of this participant is skipped as similar while a hold runs."""
        participant = self._participants.get(key)
        if participant is not None and participant.holding != holding:
            participant.holding = holding
            if participant.seat is not None:
                self._send(participant.seat, Hold(key, holding))

    def pace(self, fps: float) -> None:
        """So many pictures a second of each participant are wanted from now on, or the settings' own where fewer."""
        self._fps = fps
        for seat in self._seats:
            self._send(seat, Pace(fps))

    def release(self, slot: int, *, analysed: bool) -> None:
        """A detector is done with a slot. `analysed=False`: the picture was not judged, so nothing may
        resemble it. A still's is to be released like a stream's.

        Raises:
            KeyError: the slot is not out.
        """
        key = self._slots_out.pop(slot)
        seat = next(seat for seat in self._seats if slot in seat.slots)
        if not analysed and key is not None:
            participant = self._participants.get(key)
            if participant is not None and participant.seat is not None and not participant.closed:
                self._send(participant.seat, Forget(key))
        # A worker that starts meanwhile is granted the slot then, with all others that are not out.
        self._send(seat, Grant((slot,)))

    def buffered_bytes(self, key: int) -> int:
        """Bytes of a participant that were submitted and not answered; 0 for one that is not open."""
        participant = self._participants.get(key)
        return participant.buffered_bytes if participant is not None else 0

    async def still(self, data: bytes) -> StillDone:
        """Decodes one JPEG or PNG, scaled to the size of stills; a slot that it may have is to be released.

        Raises:
            MediaError: it is neither, damaged, or too large.
            Unavailable: no worker is ready.
            WorkerLost: the worker that held it died.
        """
        ready = [seat for seat in self._seats if seat.worker.ready]
        if not ready:
            raise Unavailable("expected a decode worker that is ready, none is")
        seat = min(ready, key=lambda seat: (len(seat.stills), len(seat.keys)))
        number = next(self._still_numbers)
        answer: asyncio.Future[StillDone] = asyncio.get_running_loop().create_future()
        seat.stills[number] = answer
        try:
            seat.worker.send(StillRequest(number, data))
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            # Nobody will release the slot of an answer that came in the same turn of the loop.
            if answer.done() and answer.exception() is None:
                slot = answer.result().slot
                if slot is not None:
                    self.release(slot, analysed=True)
            raise
        finally:
            seat.stills.pop(number, None)

    def statistics(self) -> DecodeStatistics:
        """The figures as they stand."""
        return DecodeStatistics(
            workers=tuple(seat.worker.statistics() for seat in self._seats),
            participants=sum(not participant.closed for participant in self._participants.values()),
            units=sum(len(participant.waiting) for participant in self._participants.values()),
            bytes=sum(participant.buffered_bytes for participant in self._participants.values()),
            stills=sum(len(seat.stills) for seat in self._seats),
            slots=sum(len(seat.slots) for seat in self._seats),
            slots_out=len(self._slots_out),
        )

    # What the workers say

    def _answered(self, seat: _Seat, message: Outcome | StillDone | StillFailed) -> None:
        match message:
            case Picture():
                self._slots_out[message.slot] = message.key
                self._finish(message)
            case Skipped() | Dropped():
                self._finish(message)
            case StillDone():
                if message.slot is not None:
                    self._slots_out[message.slot] = None
                answer = seat.stills.get(message.number)
                if answer is not None and not answer.done():
                    answer.set_result(message)
                elif message.slot is not None:
                    # Whoever asked has gone.
                    self.release(message.slot, analysed=True)
            case StillFailed():
                answer = seat.stills.get(message.number)
                if answer is not None and not answer.done():
                    answer.set_exception(MediaError(message.reason, message.message))

    def _ready(self, seat: _Seat) -> None:
        self._send(seat, Grant(tuple(slot for slot in seat.slots if slot not in self._slots_out)))
        if self._fps != self._settings.max_analysis_fps:
            self._send(seat, Pace(self._fps))
        opened = sorted(seat.keys)
        for key in opened:
            self._open_on(seat, self._participants[key])
        if opened and seat.worker.statistics().restarts:
            self._on_worker_lost(opened)

    def _lost(self, seat: _Seat, reason: str) -> None:
        self._settle(seat, reason)
        self._move(seat)

    def _state(self, seat: _Seat, state: WorkerState) -> None:
        if state is WorkerState.FAILED:
            # Told before the loss is, and without one where it is a restart that failed.
            self._lost(seat, seat.worker.statistics().last_failure)

    # Within

    def _assign(self, participant: _Participant) -> None:
        # A worker that is on its way back is better than none; one that never comes back is not.
        seats = [seat for seat in self._seats if not seat.has_failed]
        seat = min(seats, key=lambda seat: (not seat.worker.ready, len(seat.keys)), default=None)
        participant.seat = seat
        if seat is not None:
            seat.keys.add(participant.key)
            if seat.worker.ready:
                self._open_on(seat, participant)

    def _open_on(self, seat: _Seat, participant: _Participant) -> None:
        self._send(seat, Open(participant.key, participant.codec, participant.extradata))
        if participant.holding:
            self._send(seat, Hold(participant.key, True))

    def _move(self, seat: _Seat) -> None:
        """Gives a lost worker's participants to workers that are ready, or lets them wait for its restart."""
        keys = sorted(seat.keys)
        seat.keys.clear()
        moved = []
        for key in keys:
            participant = self._participants[key]
            self._assign(participant)
            if participant.seat is not None and participant.seat.worker.ready:
                moved.append(key)
        if moved:
            self._on_worker_lost(moved)

    def _settle(self, seat: _Seat, reason: str) -> None:
        """Ends everything that a worker was sent and will not answer any more."""
        for participant in list(self._participants.values()):
            if participant.seat is seat:
                for token in list(participant.waiting):
                    self._lose_unit(participant, token, reason)
        for answer in list(seat.stills.values()):
            if not answer.done():
                answer.set_exception(WorkerLost(f"worker {seat.worker.name} was lost: {reason}"))

    def _lose_unit(self, participant: _Participant, token: int, reason: str) -> None:
        if token in participant.waiting:
            # No keyframe is asked for yet: `on_worker_lost` does once there is a decoder for it.
            message = f"the decode worker was lost: {reason}"
            self._finish(
                Dropped(participant.key, token, DropReason.DECODE_WORKER_LOST, message, needs_keyframe=False)
            )

    def _finish(self, outcome: Outcome) -> None:
        participant = self._participants[outcome.key]
        participant.buffered_bytes -= participant.waiting.pop(outcome.token)
        self._on_outcome(outcome)
        self._retire(participant)

    def _retire(self, participant: _Participant) -> None:
        if participant.closed and not participant.waiting:
            self._participants.pop(participant.key, None)

    def _send(self, seat: _Seat, message: ToWorker) -> bool:
        with contextlib.suppress(WorkerLost):
            seat.worker.send(message)
            return True
        return False
