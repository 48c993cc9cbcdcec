"""The decode worker: many participants' decoders in one process.

    Submit ─► decoder ─► pacing ─► similar-frame filter ─► a free slot ─► Picture
                 │          │              │                    │
              Dropped    Skipped        Skipped             Dropped(NO_SLOT)

An error in one participant's bytes loses that unit, and the units up to the participant's next keyframe. Where FFmpeg
itself crashes, the process ends and the front replaces it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from time import thread_time

import cv2
import msgspec

from gifcue.errors import MediaError
from gifcue.media.decoder import Decoder
from gifcue.media.decoder_memory import DecoderBudget
from gifcue.media.filter import FrameFilter
from gifcue.media.messages import (
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
    Skipped,
    StartOver,
    Submit,
    ToWorker,
    WorkerInit,
)
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings
from gifcue.media.similarity import Comparer
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.channel import BlockingChannel, ChannelClosed
from gifcue.workers.memory import private_bytes, return_unused
from gifcue.workers.messages import bounded
from gifcue.workers.units import UNITS_FD, UnitCells, UnitGuard

# While many units wait: units between two looks at what else has come, and answers that are sent together.
LOOK_EVERY = 8
SEND_AT = 16
# Units between two returns of unused memory, about a second under load: freed keyframes leave holes in the heap.
TRIM_EVERY = 2048
# Units between two looks at the memory of the process.
MEASURE_EVERY = 64
# Memory of decoders that was given up, after which it is returned to the system at once: the allocator keeps the pages
# of freed pictures, whatever their size.
TRIM_BYTES = 16 * 1024 * 1024
# What the process may take beyond the estimates of its decoders, and beyond what it took at the start: holes in the
# heap, one picture that is refused after its first decoding, and an error of the estimate.
SLACK = 0.1
SLACK_BYTES = 64 * 1024 * 1024


class Participant:
    """One participant's decoder and filter."""

    def __init__(
        self,
        codec: Codec,
        extradata: bytes,
        settings: MediaSettings,
        comparer: Comparer,
        budget: DecoderBudget,
    ) -> None:
        self.decoder = Decoder(codec, extradata, settings.max_pixels, budget)
        self.filter = FrameFilter(settings.filter, settings.max_analysis_fps, comparer)
        # The newest picture: its slot, and its time by the sender's clock.
        self.picture_slot = -1
        self.picture_s = 0.0
        # That of its last picture: one that is turned otherwise cannot be compared with it.
        self.rotation = 0
        # Its decoder was ended because the process took too much memory, and its next unit says so.
        self.was_too_expensive = False

    def start_over(self) -> None:
        """Forgets every picture."""
        self.decoder.close()
        self.filter.forget()


class DecodeWorker:
    """What a worker does with its messages; knows no channel. Writes only into slots that were granted."""

    def __init__(
        self,
        settings: MediaSettings,
        arena: Arena,
        cpu_clock: Callable[[], float] = thread_time,
        memory: Callable[[], int] = private_bytes,
    ) -> None:
        """`cpu_clock` is the CPU time of this thread in seconds, `memory` the bytes that this process takes."""
        self._cpu_clock = cpu_clock
        self._memory = memory
        self._budget = DecoderBudget(settings.decoder_memory_mb * 1_000_000)
        self._most_bytes = memory() + int(self._budget.total_bytes * (1 + SLACK)) + SLACK_BYTES
        self._given_up_bytes = 0
        self._settings = settings
        self._arena = arena
        self._participants: dict[int, Participant] = {}
        self._free: deque[int] = deque()
        self._fps = settings.max_analysis_fps
        # Slots that hold a picture of a participant, until the front grants them again.
        self._lent: dict[int, Participant] = {}
        self._late_s = settings.late_ms / 1000.0
        # Shared by all participants: both hold large tables and no participant's state.
        self._comparer = Comparer(settings.filter.metric)
        self._converter = Converter(settings.long_side, settings.short_side)

    @property
    def held_bytes(self) -> int:
        """What all decoders take, by estimate."""
        return self._budget.used_bytes

    @property
    def has_slots(self) -> bool:
        """True while a slot is free for a picture."""
        return bool(self._free)

    def control(self, message: ToWorker) -> bool:
        """Takes what may overtake units: slots, the pace, and hints for open participants. False for the rest."""
        match message:
            case Grant(slots):
                self._free.extend(slots)
                for slot in slots:
                    self._lent.pop(slot, None)
            case Hold(key, holding) if key in self._participants:
                self._participants[key].filter.holding = holding
            case Forget(key) if key in self._participants:
                self._participants[key].filter.forget()
            case Pace(fps):
                self._fps = fps
                for participant in self._participants.values():
                    participant.filter.pace(fps)
            case _:
                return False
        return True

    def handle(self, message: ToWorker) -> Outcome | None:
        """Does what a message asks for and returns the answer, if one is due."""
        match message:
            case Submit():
                return self._submit(message)
            case Open(key, codec, extradata):
                participant = self._participants[key] = Participant(
                    codec, extradata, self._settings, self._comparer, self._budget
                )
                participant.filter.pace(self._fps)
            case Close(key):
                left = self._participants.pop(key, None)
                if left is not None:
                    self._give_up(left)
            case StartOver(key):
                if key in self._participants:
                    self._give_up(self._participants[key])
            case _:
                # A hint that came before its participant was open, or after it left.
                self.control(message)
        return None

    def check_memory(self) -> None:
        """Ends the decoder that takes most, by estimate, where the process takes more than all estimates allow.

        Headers may claim less than the pictures need.
        """
        if self._memory() <= self._most_bytes:
            return
        return_unused()
        if self._memory() <= self._most_bytes or not self._participants:
            return
        participant = max(self._participants.values(), key=lambda each: each.decoder.held_bytes)
        participant.was_too_expensive = True
        self._give_up(participant)

    def _give_up(self, participant: Participant) -> None:
        self._given_up_bytes += participant.decoder.held_bytes
        participant.start_over()
        if self._given_up_bytes >= TRIM_BYTES:
            self._given_up_bytes = 0
            return_unused()

    def _submit(self, unit: Submit) -> Outcome:
        key = unit.key
        participant = self._participants.get(key)
        if participant is None:
            message = "expected a participant that was opened, got one that was not"
            return Dropped(key, unit.token, DropReason.UNKNOWN_PARTICIPANT, message, False)
        began_s = self._cpu_clock()
        outcome = self._outcome(participant, unit)
        return msgspec.structs.replace(outcome, spent_s=self._cpu_clock() - began_s)

    def _outcome(self, participant: Participant, unit: Submit) -> Outcome:
        key = unit.key
        if participant.was_too_expensive:
            participant.was_too_expensive = False
            message = "expected video that takes the memory that its headers state, got video that takes more"
            return Dropped(key, unit.token, DropReason.TOO_EXPENSIVE, message, True)
        try:
            return self._decode(participant, unit)
        except MediaError as error:
            awaiting = participant.decoder.is_awaiting_keyframe
            return Dropped(key, unit.token, error.reason, bounded(str(error)), awaiting)
        except Exception as error:
            # An unexpected error concerns one participant only: the others continue, and this one gets a new decoder.
            participant.start_over()
            message = f"the decoder failed: {type(error).__name__}: {error}"
            awaiting = participant.decoder.is_awaiting_keyframe
            return Dropped(key, unit.token, DropReason.INVALID_DATA, bounded(message), awaiting)

    def _decode(self, participant: Participant, unit: Submit) -> Outcome:
        key = unit.key
        decoded = participant.decoder.decode(unit.payload, unit.pts_s)
        if decoded is None:
            return Skipped(key, unit.token, SkipReason.NO_PICTURE, unit.pts_s)
        frame, pts_s = decoded
        is_waiting = self._lent.get(participant.picture_slot) is participant
        if is_waiting and 0.0 <= pts_s - participant.picture_s < self._late_s:
            # A picture that waits and is not late yet is not replaced: converting both would waste one of them.
            return Skipped(key, unit.token, SkipReason.PACED, pts_s)
        if unit.rotation != participant.rotation:
            participant.rotation = unit.rotation
            participant.filter.forget()
        decision = participant.filter.check(frame, pts_s)
        if decision.skip is not None:
            return Skipped(key, unit.token, decision.skip, pts_s)
        if not self._free:
            # The filter's reference is not changed, so that the next picture is tried.
            message = f"all {self._arena.shape.slots_per_range} slots wait for a detector"
            return Dropped(key, unit.token, DropReason.NO_SLOT, message, False)
        slot = self._free[0]
        with self._arena.slot(slot) as target:
            width, height = self._converter.convert(frame, target, unit.rotation)
        self._free.popleft()
        self._lent[slot] = participant
        participant.picture_slot, participant.picture_s = slot, pts_s
        participant.filter.analysed(decision, pts_s)
        return Picture(key, unit.token, slot, width, height, pts_s)


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    # The pool of workers is the parallelism; OpenCV's own threads would compete for the same cores.
    cv2.setNumThreads(1)
    arena = Arena.attach(fds[ARENA_FD], init.shape, writable=True)
    worker = DecodeWorker(init.settings, arena)
    cells = UnitCells.attach(fds[UNITS_FD], init.cells)
    guard = UnitGuard(cells, init.number, init.settings.unit_cpu_limit_s)
    channel.ready()
    waiting: deque[ToWorker] = deque()
    answers: list[FromWorker] = []
    handled = held_bytes = 0
    with contextlib.suppress(ChannelClosed):
        while True:
            # Granted slots, holds and the pace apply at once, also to units that were sent before them. While many
            # units wait, a look for messages after each of them would cost as much as a unit's message.
            if len(waiting) % LOOK_EVERY == 0 or not worker.has_slots:
                arrived = channel.receive_ready() or ([] if waiting else [channel.receive()])
                waiting.extend(message for message in arrived if not worker.control(message))
            if waiting:
                message = waiting.popleft()
                if isinstance(message, Submit):
                    guard.begin(message.key, message.token)
                    answer = worker.handle(message)
                    guard.end()
                else:
                    answer = worker.handle(message)
                handled += 1
                if handled % MEASURE_EVERY == 0:
                    worker.check_memory()
                if handled % TRIM_EVERY == 0:
                    return_unused()
                if worker.held_bytes != held_bytes:
                    held_bytes = worker.held_bytes
                    answers.append(DecoderMemory(held_bytes))
                if answer is not None:
                    answers.append(answer)
            # A picture is sent at once, since detectors wait for it; the other answers are sent together.
            if answers and (not waiting or len(answers) >= SEND_AT or isinstance(answers[-1], Picture)):
                channel.send_all(answers)
                answers.clear()
