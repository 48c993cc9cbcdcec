"""Takes frames through the worker processes: a decode worker decodes a frame, a detector analyses the picture.

    submit ─► DecodePool ─► skipped, dropped ──────────────────────► FrameListener
                  └─► picture in a slot ─► DetectorPool ─► judged, dropped ─┘

One event loop owns everything here; pixels are never touched, only numbers of slots are passed on.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.pool import DETECTOR_TARGET, DetectorPool
from gifcue.detect.regions import Region
from gifcue.detect.settings import DetectSettings
from gifcue.detect.statistics import DetectStatistics
from gifcue.engine.latency import LatencyRecorder, LatencyStatistics
from gifcue.engine.listeners import FrameListener, FrameListeners
from gifcue.engine.pace import AnalysisPace
from gifcue.engine.stills import Stills
from gifcue.errors import Unavailable
from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import StreamLongUnits
from gifcue.media.messages import Dropped, Outcome, Picture, Skipped
from gifcue.media.pool import DecodePool, DecodeStatistics
from gifcue.media.queues import Backlog
from gifcue.media.settings import MediaSettings
from gifcue.media.still_pool import StillPool, StillStatistics
from gifcue.media.still_settings import StillSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """`analysis_fps` is how many pictures a second of each participant are analysed at most."""

    latency: LatencyStatistics
    analysis_fps: float
    decode: DecodeStatistics
    detect: DetectStatistics
    stills: StillStatistics


class Pipeline:
    """Builds and owns the pools, the memory that they share, the routing between them and the analysis pace."""

    def __init__(
        self,
        media: MediaSettings,
        detect: DetectSettings,
        stills: StillSettings,
        supervision: SupervisionSettings,
        clock: Callable[[], float],
        *,
        max_still_bytes: int,
        max_wait_s: float = math.inf,
        detector_target: str = DETECTOR_TARGET,
        decode_pool: type[DecodePool] = DecodePool,
        detector_pool: type[DetectorPool] = DetectorPool,
        still_pool: type[StillPool] = StillPool,
    ) -> None:
        """A frame that waits longer than `max_wait_s` for its decoder is dropped. No still has more bytes than
        `max_still_bytes`. `detector_target` ("module:function") is the entry point of detector workers. The types of
        the pools can be replaced by others with the same methods.

        Raises:
            OSError: the system has no shared memory for the slots.
        """
        self.max_pixels = media.max_pixels
        self._clock = clock
        self._pace = AnalysisPace(media)
        self._latency = LatencyRecorder()
        self._keys = itertools.count(1)
        self._listeners = FrameListeners()
        self._open_count = 0
        self._arena = Arena.create(media.workers, media.slots_per_worker, media.slot_bytes)
        # Memory of its own: whoever takes over a decoder of stills has no access to the pictures of streams.
        self._still_arena = Arena.create(1, stills.slots_per_worker * stills.workers, stills.slot_bytes)
        self._decode = decode_pool(
            media,
            self._arena,
            supervision,
            on_outcome=self._on_outcome,
            on_decoder_lost=self._listeners.decoder_lost,
            on_relief=self._listeners.relieve,
            on_incident=lambda incident: self._listeners[incident.key].suspected(incident),
            clock=clock,
            max_wait_s=max_wait_s,
        )
        self._detect = detector_pool(
            detect,
            self._arena,
            supervision,
            on_detected=self._on_detected,
            on_lost=self._on_undetected,
            target=detector_target,
            clock=clock,
            stills=self._still_arena,
        )
        self._still_pool = still_pool(
            stills,
            self._still_arena,
            supervision,
            max_pixels=media.max_pixels,
            max_still_bytes=max_still_bytes,
            clock=clock,
        )
        self.stills = Stills(self._still_pool, self._detect, lambda: self.model, clock)

    # Lifecycle

    async def start(self) -> None:
        """Starts all workers; returns once a detector is warm and the decoders are ready.

        Raises:
            WorkerStartError: a worker never became ready.
        """
        await asyncio.gather(self._decode.start(), self._detect.start(), self._still_pool.start())

    async def stop(self) -> None:
        """Stops the workers. Frames that are still in flight end as dropped."""
        await asyncio.gather(self._decode.stop(), self._detect.stop(), self._still_pool.stop())
        self._arena.close()
        self._still_arena.close()

    @property
    def is_ready(self) -> bool:
        """True while frames can be analysed."""
        return self._detect.is_ready and self._decode.is_ready

    @property
    def is_running(self) -> bool:
        """True between start and stop: every worker that ends is restarted."""
        return self._detect.is_running and self._decode.is_running

    @property
    def has_failed(self) -> bool:
        """True while no worker of a kind is ready or expected back soon."""
        return self._detect.has_failed or self._decode.has_failed

    @property
    def is_overloaded(self) -> bool:
        """True while the decode workers have more to decode than they can in time, or results are late although
        everybody is analysed as rarely as the settings allow.
        """
        return self._decode.is_overloaded or self._pace.is_exhausted(self._clock())

    @property
    def model(self) -> ServedModel:
        """The model in service. Raises Unavailable before the first detector is warm."""
        info = self._detect.info
        if info is None:
            raise Unavailable("expected a detector that is warm, none is yet")
        return info

    def use_gestures(self, gestures: Sequence[GestureClassifier]) -> None:
        """Replaces the gesture classifiers, as `DetectorPool.use_gestures` does."""
        self._detect.use_gestures(gestures)

    def watch_batches(self, watcher: Callable[[int, float], None]) -> None:
        """Calls `watcher` with the pictures and the milliseconds of every batch that a detector worker has answered. It
        must neither wait nor raise.
        """
        self._detect.on_batch = watcher

    # Participants

    @property
    def participant_count(self) -> int:
        """Participants that are open."""
        return self._open_count

    def open(
        self,
        listener: FrameListener,
        codec: Codec,
        extradata: bytes,
        *,
        worker: int | None = None,
        long_units: StreamLongUnits | None = None,
    ) -> int:
        """A participant joins and gets a decoder, in any worker or for good in the one of this number. `long_units` are
        those of its stream. Returns its key, a number that is never used again.
        """
        key = next(self._keys)
        self._listeners.add(key, listener)
        self._open_count += 1
        self._decode.open(key, codec, extradata, worker=worker, long_units=long_units)
        return key

    def submit(self, frame: FrameInFlight, payload: bytes) -> None:
        """Submits a frame to its decoder. The listener is never called from within this call."""
        self._decode.submit(frame, payload)

    def backlog(self, key: int) -> Backlog:
        """What of a participant, and of everybody, waits for the decoders."""
        return self._decode.backlog(key)

    def set_hold(self, key: int, holding: bool) -> None:
        """Nothing of this participant is skipped as similar while a hold runs."""
        self._decode.set_hold(key, holding)

    def start_over(self, key: int) -> None:
        """Forgets every picture that the participant's decoder keeps; decoding continues at the next keyframe."""
        self._decode.start_over(key)

    def quarantine(self, key: int, message: str) -> None:
        """The participant is refused from now on: what waits of it is dropped."""
        self._decode.quarantine(key, message)

    def close(self, key: int) -> None:
        """The participant leaves: no more frames of it are submitted, those in flight still end."""
        self._open_count -= 1
        if not self._open_count and self._pace.nobody_left():
            self._decode.pace(self._pace.fps)
        self._decode.close(key)

    def forget(self, key: int) -> None:
        """The last frame of a participant that left has ended: its listener is not called again."""
        self._listeners.remove(key)
        self._detect.forget(key)

    def look(self) -> None:
        """Called now and then: the analysis rate is the full one again where nothing is analysed any more."""
        if self._pace.look(self._clock()):
            self._decode.pace(self._pace.fps)

    def statistics(self) -> PipelineStatistics:
        """The figures as they stand."""
        return PipelineStatistics(
            self._latency.statistics(),
            self._pace.fps,
            self._decode.statistics(),
            self._detect.statistics(),
            self._still_pool.statistics(),
        )

    # Called by the pools

    def _on_outcome(self, frame: FrameInFlight, outcome: Outcome) -> None:
        """A decode worker is done with a frame."""
        listener = self._listeners[frame.key]
        match outcome:
            case Picture():
                # The listener first: `offer` may end this frame at once, where no detector is ready, and ends an older
                # picture that this one replaces. In both cases the accounting must count this frame as detecting.
                listener.decoded(frame)
                self._detect.offer(frame)
            case Skipped():
                frame.decided_s = self._clock()
                listener.skipped(frame, outcome.reason)
            case Dropped():
                listener.dropped(
                    frame, outcome.reason, outcome.message, needs_keyframe=outcome.needs_keyframe
                )

    def _on_detected(self, frame: FrameInFlight, regions: list[Region]) -> None:
        """A detector answered."""
        # The slot first: the decode worker may be waiting for it, and no detector reads the picture any more.
        self._release(frame, analysed=True)
        # The one reading of this frame's latency: histogram, decision and reactions all state this number.
        frame.decided_s = now_s = self._clock()
        self._latency.record(frame.latency_ms)
        self._listeners[frame.key].judged(frame, regions)
        if self._pace.answered(frame.latency_ms, now_s):
            self._decode.pace(self._pace.fps)

    def _on_undetected(self, frame: FrameInFlight, reason: DropReason, message: str) -> None:
        """A picture was replaced, or lost with its detector, or the detector failed on it."""
        # The slot first, for the same reason.
        self._release(frame, analysed=False)
        if reason is DropReason.SUPERSEDED and self._pace.superseded(self._clock()):
            self._decode.pace(self._pace.fps)
        self._listeners[frame.key].dropped(frame, reason, message, needs_keyframe=False)

    def _release(self, frame: FrameInFlight, *, analysed: bool) -> None:
        if frame.slot is not None:
            self._decode.release(frame.slot, analysed=analysed)
