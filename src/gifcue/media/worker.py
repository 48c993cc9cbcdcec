"""The decode worker: many participants' decoders in one process.

    Submit ─► decoder ─► pacing ─► similar-frame filter ─► a free slot ─► Picture
                 │          │              │                    │
              Dropped    Skipped        Skipped             Dropped(NO_SLOT)

Whatever one participant's bytes bring about costs that participant a unit and the way to its next keyframe.
What FFmpeg cannot survive costs the process, which the front replaces.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping

import cv2
import numpy as np

from gifcue.errors import MediaError
from gifcue.media.codecs import Codec
from gifcue.media.decoder import Decoder
from gifcue.media.filter import FrameFilter
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
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings
from gifcue.media.similarity import Comparer
from gifcue.media.stills import scaled_still
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.workers.arena import Arena
from gifcue.workers.channel import BlockingChannel, ChannelClosed
from gifcue.workers.memory import return_unused

# Units between two looks at what else has come, and answers that are sent at once, while much waits.
LOOK_EVERY = 4
SEND_AT = 8
# Units between two returns of unused memory, about a second under load: keyframes leave holes as large as themselves.
TRIM_EVERY = 2048


class Participant:
    """One participant's decoder and filter."""

    def __init__(self, codec: Codec, extradata: bytes, settings: MediaSettings, comparer: Comparer) -> None:
        self._codec = codec
        self._extradata = extradata
        self._settings = settings
        self.decoder = Decoder(codec, extradata, settings.max_pixels)
        self.filter = FrameFilter(settings.filter, settings.max_analysis_fps, comparer)
        # The slot of the picture that a detector has not judged yet, and the picture's time.
        self.waiting_slot: int | None = None
        self.waiting_s = 0.0

    def start_over(self) -> None:
        """Another decoder, which knows nothing of what was decoded."""
        self.decoder = Decoder(self._codec, self._extradata, self._settings.max_pixels)
        self.filter.forget()


class DecodeWorker:
    """What a worker does with its messages; knows no channel. Writes only into slots that were granted."""

    def __init__(self, settings: MediaSettings, arena: Arena) -> None:
        self._settings = settings
        self._arena = arena
        self._participants: dict[int, Participant] = {}
        self._free: deque[int] = deque()
        self._fps = settings.max_analysis_fps
        # Slot: whose picture it holds. Keys begin at 1.
        self._lent: dict[int, int] = {}
        self._patience_s = settings.late_ms / 1000.0
        # Shared by all participants: large, and they know nobody.
        self._comparer = Comparer(settings.filter.metric)
        self._converter = Converter(settings.long_side, settings.short_side)

    @property
    def has_slots(self) -> bool:
        """True while a picture would find room."""
        return bool(self._free)

    def control(self, message: ToWorker) -> bool:
        """Takes what may overtake units: slots, the pace, and hints for open participants. False for the rest."""
        match message:
            case Grant(slots):
                self._free.extend(slots)
                for slot in slots:
                    holder = self._participants.get(self._lent.pop(slot, 0))
                    if holder is not None and holder.waiting_slot == slot:
                        holder.waiting_slot = None
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

    def handle(self, message: ToWorker) -> Outcome | StillDone | StillFailed | None:
        """Does what a message asks for and returns the answer, if one is due."""
        match message:
            case Submit(key, unit):
                return self._submit(key, unit)
            case Open(key, codec, extradata):
                participant = self._participants[key] = Participant(
                    codec, extradata, self._settings, self._comparer
                )
                participant.filter.pace(self._fps)
            case Close(key):
                self._participants.pop(key, None)
            case StartOver(key):
                if key in self._participants:
                    self._participants[key].start_over()
            case StillRequest():
                return self._still(message)
            case _:
                # A hint that came before its participant was open, or after it left.
                self.control(message)
        return None

    def _submit(self, key: int, unit: Unit) -> Outcome:
        participant = self._participants.get(key)
        if participant is None:
            message = "expected a participant that was opened, got one that was not"
            return Dropped(key, unit.token, DropReason.UNKNOWN_PARTICIPANT, message, False)
        try:
            return self._judge(key, participant, unit)
        except MediaError as error:
            awaiting = participant.decoder.is_awaiting_keyframe
            return Dropped(key, unit.token, error.reason, str(error), awaiting)
        except Exception as error:
            # Not foreseen, and still one participant's: the others go on, and this one not with that decoder.
            participant.start_over()
            message = f"the decoder failed: {type(error).__name__}: {error}"
            awaiting = participant.decoder.is_awaiting_keyframe
            return Dropped(key, unit.token, DropReason.INVALID_DATA, message, awaiting)

    def _judge(self, key: int, participant: Participant, unit: Unit) -> Outcome:
        decoded = participant.decoder.decode(unit.payload, unit.pts_s)
        if decoded is None:
            return Skipped(key, unit.token, SkipReason.NO_PICTURE, unit.pts_s)
        frame, pts_s = decoded
        if participant.waiting_slot is not None and 0.0 <= pts_s - participant.waiting_s < self._patience_s:
            # A picture that is not late yet is not replaced: both would have cost the same, and one be thrown away.
            return Skipped(key, unit.token, SkipReason.PACED, pts_s)
        verdict = participant.filter.judge(frame, pts_s)
        if verdict.skip is not None:
            return Skipped(key, unit.token, verdict.skip, pts_s)
        if not self._free:
            # The filter keeps its reference, so that the next picture is tried.
            message = f"all {self._arena.shape.slots_per_range} slots wait for a detector"
            return Dropped(key, unit.token, DropReason.NO_SLOT, message, False)
        slot = self._free[0]
        with self._arena.slot(slot) as target:
            width, height = self._converter.convert(frame, target)
        self._free.popleft()
        self._lent[slot] = key
        participant.waiting_slot, participant.waiting_s = slot, pts_s
        participant.filter.analysed(verdict, pts_s)
        return Picture(key, unit.token, slot, width, height, pts_s, verdict.similarity)

    def _still(self, request: StillRequest) -> StillDone | StillFailed:
        settings = self._settings
        try:
            rgb, source_width, source_height = scaled_still(
                request.data, settings.max_pixels, settings.still_long_side, settings.still_short_side
            )
        except MediaError as error:
            return StillFailed(request.number, error.reason, str(error))
        height, width = rgb.shape[:2]
        # A still may use a slot while most are free: streams come first, and it can travel in its message as well.
        shape = self._arena.shape
        if 2 * len(self._free) <= shape.slots_per_range or rgb.nbytes > shape.slot_bytes:
            return StillDone(request.number, rgb.tobytes(), width, height, source_width, source_height)
        slot = self._free.popleft()
        with self._arena.slot(slot) as target:
            np.copyto(np.frombuffer(target, np.uint8, rgb.nbytes), rgb.reshape(-1))
        return StillDone(request.number, b"", width, height, source_width, source_height, slot)


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The child's life: `gifcue.media.worker:main`."""
    # The pool of workers is the parallelism; OpenCV's own threads would fight over the same cores.
    cv2.setNumThreads(1)
    arena = Arena.attach(fds[ARENA_FD], init.shape, writable=True)
    worker = DecodeWorker(init.settings, arena)
    channel.ready()
    waiting: deque[ToWorker] = deque()
    answers: list[Outcome | StillDone | StillFailed] = []
    handled = 0
    with contextlib.suppress(ChannelClosed):
        while True:
            # Slots that came back and holds that began count for the units that came before them. While much waits,
            # looking after every unit would cost as much as a unit's message does.
            if len(waiting) % LOOK_EVERY == 0 or not worker.has_slots:
                arrived = channel.receive_ready() or ([] if waiting else [channel.receive()])
                waiting.extend(message for message in arrived if not worker.control(message))
            if waiting:
                answer = worker.handle(waiting.popleft())
                handled += 1
                if handled % TRIM_EVERY == 0:
                    return_unused()
                if answer is not None:
                    answers.append(answer)
            # A picture is waited for by a detector; the other answers keep nobody waiting, and share a message.
            if answers and (not waiting or len(answers) == SEND_AT or isinstance(answers[-1], Picture)):
                channel.send_all(answers)
                answers.clear()
