"""An engine with fake pools: a test determines the outcome of each frame, and when it arrives.

There is no process, no codec and no wait: time is a `ManualTime`, and every call returns after all its events.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from gifcue.detect.detector import ServedModel
from gifcue.detect.regions import Region
from gifcue.detect.settings import DetectSettings
from gifcue.engine.engine import Engine
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Publisher
from gifcue.engine.session import Session
from gifcue.engine.settings import LimitSettings
from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import StreamLongUnits
from gifcue.media.messages import Dropped, Outcome, Picture, Skipped
from gifcue.media.overload import Relief
from gifcue.media.queues import Backlog
from gifcue.media.settings import MediaSettings
from gifcue.media.still_admission import StillAdmission, StillPlace
from gifcue.media.still_pool import DecodedStill
from gifcue.media.still_settings import StillSettings
from gifcue.media.suspects import Incident, Suspects
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Reaction
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.protocol.requests import EncodedFrame
from gifcue.protocol.resume import ParticipantState
from gifcue.reactions.settings import ReactionSettings
from gifcue.rules.chooser import Choice, Chooser, ChosenGif
from gifcue.rules.claims import Brought
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.manual_time import ManualTime

LABELS = ("face", "hand", "smile", "neutral", "thumbs_up", "wave")
INFO = ServedModel("fake", "7", "fake", LABELS, dict.fromkeys(LABELS, 0.5), 64, 64)
LIMITS = LimitSettings(fault_interval_s=0.0)
FPS = 5
CLOCK_HZ = 90_000
STEP = CLOCK_HZ // FPS
# 20 s of video, several times the dwell of a smile.
MAX_SMILE_FRAMES = 20 * FPS

KEYFRAME = b"\x00\x00\x00\x9d\x01\x2a" + bytes(10)  # VP8
INTER = b"\x01\x00\x00" + bytes(10)

SMILE = [Region("face", Box(0.2, 0.3, 0.7, 0.6), 0.98, {"smile": 0.95, "neutral": 0.03})]
NOTHING: list[Region] = []

_Event = TypeVar("_Event")


class FakeDecodePool:
    """Records the frames sent to it, by participant."""

    def __init__(
        self,
        settings: MediaSettings,
        arena: Arena,
        supervision: SupervisionSettings,
        *,
        on_outcome: Callable[[FrameInFlight, Outcome], None],
        on_decoder_lost: Callable[[list[int]], None],
        on_relief: Callable[[Relief], None],
        on_incident: Callable[[Incident], None],
        clock: Callable[[], float],
        max_wait_s: float,
    ) -> None:
        # No worker writes into it.
        arena.close()
        self.on_outcome = on_outcome
        self.on_decoder_lost = on_decoder_lost
        self.on_relief = on_relief
        self.is_overloaded = False
        self.on_incident = on_incident
        self.quarantined: list[int] = []
        self.workers: dict[int, int | None] = {}
        self.long_units: dict[int, StreamLongUnits | None] = {}
        self.is_ready = True
        self.has_failed = False
        self.frames: dict[int, deque[FrameInFlight]] = {}
        self.opened: list[tuple[int, Codec, bytes]] = []
        self.closed: list[int] = []
        self.started_over: list[int] = []
        self.holds: list[tuple[int, bool]] = []
        self.paces: list[float] = []
        self.released: list[tuple[int, bool]] = []
        self.is_running = False

    async def start(self) -> None:
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False

    def open(
        self,
        key: int,
        codec: Codec,
        extradata: bytes,
        *,
        worker: int | None = None,
        long_units: StreamLongUnits | None = None,
    ) -> None:
        self.workers[key] = worker
        self.long_units[key] = long_units
        self.opened.append((key, codec, extradata))
        self.frames[key] = deque()

    def close(self, key: int) -> None:
        self.closed.append(key)

    def quarantine(self, key: int, message: str) -> None:
        self.quarantined.append(key)

    def start_over(self, key: int) -> None:
        self.started_over.append(key)

    def submit(self, frame: FrameInFlight, payload: bytes) -> None:
        assert len(payload) == frame.size_bytes
        self.frames[frame.key].append(frame)

    def set_hold(self, key: int, holding: bool) -> None:
        was_holding = next((was for of, was in reversed(self.holds) if of == key), False)
        if holding != was_holding:
            self.holds.append((key, holding))

    def pace(self, fps: float) -> None:
        self.paces.append(fps)

    def release(self, slot: int, *, analysed: bool) -> None:
        self.released.append((slot, analysed))

    def backlog(self, key: int) -> Backlog:
        sizes = {of: [frame.size_bytes for frame in frames] for of, frames in self.frames.items()}
        own = sizes.get(key, [])
        return Backlog(len(own), sum(own), sum(sum(each) for each in sizes.values()))

    def statistics(self) -> Any:
        return _NoWorkers()


class FakeDetectorPool:
    """Records the pictures offered to it, by participant, and the forgotten participants."""

    def __init__(
        self,
        settings: DetectSettings,
        arena: Arena,
        supervision: SupervisionSettings,
        *,
        on_detected: Callable[[FrameInFlight, list[Region]], None],
        on_lost: Callable[[FrameInFlight, DropReason, str], None],
        target: str,
        clock: Callable[[], float],
        stills: Arena,
    ) -> None:
        self.on_detected = on_detected
        self.on_lost = on_lost
        self.target = target
        self.is_ready = True
        self.has_failed = False
        self.info: ServedModel | None = INFO
        self.pictures: dict[int, deque[FrameInFlight]] = {}
        self.forgotten: list[int] = []
        self.annotated: list[Any] = []
        self.is_running = False

    async def start(self) -> None:
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False

    def offer(self, frame: FrameInFlight) -> None:
        if self.has_failed:
            self.on_lost(frame, DropReason.DETECT_WORKER_LOST, "no detector is ready")
        else:
            self.pictures.setdefault(frame.key, deque()).append(frame)

    def forget(self, key: int) -> None:
        self.forgotten.append(key)

    async def annotate(self, picture: Any) -> list[Region]:
        self.annotated.append(picture)
        return SMILE

    def statistics(self) -> Any:
        return _NoWorkers()


class FakeStillPool:
    """Real places; `decoded` gives a picture at once, or never where `hangs`. `held` slots are in use."""

    def __init__(
        self,
        settings: StillSettings,
        arena: Arena,
        supervision: SupervisionSettings,
        *,
        max_pixels: int,
        max_still_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        arena.close()
        self.admission = StillAdmission(settings, max_still_bytes, Suspects(clock, 8), clock)
        self.hangs = False
        self.held: set[int] = set()
        self.callers: list[str] = []

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def enter(self, caller: str, size_bytes: int | None = None) -> StillPlace:
        return self.admission.enter(caller, size_bytes)

    @contextlib.asynccontextmanager
    async def decoded(self, data: bytes, caller: str) -> AsyncIterator[DecodedStill]:
        self.callers.append(caller)
        if self.hangs:
            await asyncio.Event().wait()
        self.held.add(5)
        try:
            yield DecodedStill(5, 64, 36, 640, 360)
        finally:
            self.held.remove(5)

    def statistics(self) -> Any:
        return _NoWorkers()


class _NoWorkers:
    workers = ()


class FakeChooser:
    """Chooses the GIF with the label's name, or none if `withholds`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.withholds = False
        self.brought: list[Brought] = []

    def choose(
        self,
        label: str,
        score: float,
        room_id: str,
        participant_id: str,
        now_s: float,
        brought: Brought,
    ) -> Choice:
        self.asked.append((label, room_id, participant_id))
        gif = None if self.withholds else ChosenGif(label, f"/gifs/{label}.gif", label.title(), "image/gif")
        self.brought.append(brought)
        return Choice(
            label,
            score,
            gif,
            "because",
            rule="rule",
            priority=3,
            participant_cooldown_s=10.0,
            room_cooldown_s=2.0,
        )


class Stream:
    """One session and its events."""

    def __init__(self, kit: Kit, **settings: Any) -> None:
        self.kit = kit
        self.events: list[Any] = []
        defaults = {"room_id": "", "client_name": "", "preset": ""}
        flags = {"send_holding": False}
        self.session: Session = kit.engine.open_session(**{**defaults, **flags, **settings, "sink": self})
        self._sequences: dict[str, itertools.count[int]] = {}

    def put(self, event: Any) -> None:
        self.events.append(event)

    def join(
        self,
        name: str = "alice",
        labels: Sequence[str] = ("smile",),
        codec: Codec | None = Codec.VP8,
        extradata: bytes = b"",
        resume: ParticipantState | None = None,
    ) -> int:
        """Joins. Returns the participant's key in the pools."""
        self.session.join(name, codec, extradata, labels, resume)
        self._sequences[name] = itertools.count()
        return self.kit.decode.opened[-1][0] if self.kit.decode.opened else 0

    def send(
        self,
        name: str = "alice",
        *,
        payload: bytes | None = None,
        sequence: int | None = None,
        pts: int | None = None,
        clock_hz: int = CLOCK_HZ,
        keyframe: bool = False,
        rotation: int = 0,
        temporal_layer: int | None = None,
    ) -> int:
        """Sends the next frame, a keyframe if it is the first. Returns its sequence number."""
        number = next(self._sequences[name]) if sequence is None else sequence
        content = payload if payload is not None else KEYFRAME if number == 0 else INTER
        time = number * STEP if pts is None else pts
        self.session.frame(
            EncodedFrame(name, number, time, clock_hz, keyframe, content, rotation, temporal_layer)
        )
        return number

    def of(self, kind: type[_Event]) -> list[_Event]:
        return [each for each in self.events if isinstance(each, kind)]

    def phases(self) -> list[tuple[str, Phase]]:
        return [(each.label, each.phase) for each in self.of(Reaction)]

    def counts(self, name: str = "alice") -> FrameCounts:
        (found,) = [each.frames for each in self.session.statistics() if each.participant_id == name]
        return found


class Kit:
    """An engine, its pools, and the clock."""

    def __init__(
        self,
        limits: LimitSettings = LIMITS,
        media: MediaSettings | None = None,
        reactions: ReactionSettings | None = None,
        stills: StillSettings | None = None,
        *,
        clock: Callable[[], float] | None = None,
        chooser: Chooser | None = None,
        ids: Callable[[], str] | None = None,
    ) -> None:
        """`clock`, `chooser` and `ids` replace the manual time, the fake chooser and the ids "id-1", "id-2" …"""
        self.time = ManualTime()
        clock = clock or self.time.clock
        self.chooser = FakeChooser()
        self.delivered: list[tuple[str, Reaction, ChosenGif]] = []
        numbers = itertools.count(1)
        own = reactions or ReactionSettings()
        self.pipeline = Pipeline(
            media or MediaSettings(),
            DetectSettings(),
            stills or StillSettings(),
            SupervisionSettings(),
            clock,
            max_still_bytes=limits.max_frame_bytes,
            detector_target="tests:detector",
            decode_pool=self._make_decode,  # type: ignore[arg-type]
            detector_pool=self._make_detect,  # type: ignore[arg-type]
            still_pool=self._make_stills,  # type: ignore[arg-type]
        )
        publisher = Publisher(
            lambda: chooser or self.chooser,  # type: ignore[arg-type,return-value]
            lambda: self.pipeline.model.version,
            clock,
            lambda room_id, reaction, gif: self.delivered.append((room_id, reaction, gif)),
        )
        self.engine = Engine(
            limits,
            lambda preset: (preset, own.with_preset(preset) if preset else own),
            self.pipeline,
            publisher,
            clock,
            ids or (lambda: f"id-{next(numbers)}"),
        )
        self._slots = itertools.count()

    def _make_decode(self, *arguments: Any, **named: Any) -> FakeDecodePool:
        self.decode = FakeDecodePool(*arguments, **named)
        return self.decode

    def _make_detect(self, *arguments: Any, **named: Any) -> FakeDetectorPool:
        self.detect = FakeDetectorPool(*arguments, **named)
        return self.detect

    def _make_stills(self, *arguments: Any, **named: Any) -> FakeStillPool:
        self.stills = FakeStillPool(*arguments, **named)
        return self.stills

    def open(self, **settings: Any) -> Stream:
        return Stream(self, **settings)

    # Outcomes from the pools, each for the oldest frame of the participant.

    def decoded(self, key: int) -> int:
        """The decode worker has written a picture. Returns its slot."""
        frame = self.decode.frames[key].popleft()
        frame.slot = slot = next(self._slots)
        frame.width, frame.height = 64, 36
        self.decode.on_outcome(frame, Picture(key, frame.token, slot, 64, 36, frame.pts_s))
        return slot

    def skipped(self, key: int, reason: SkipReason = SkipReason.SIMILAR) -> None:
        frame = self.decode.frames[key].popleft()
        self.decode.on_outcome(frame, Skipped(key, frame.token, reason, frame.pts_s))

    def dropped(self, key: int, reason: DropReason, *, needs_keyframe: bool) -> None:
        frame = self.decode.frames[key].popleft()
        self.decode.on_outcome(frame, Dropped(key, frame.token, reason, "in words", needs_keyframe))

    def detected(self, key: int, regions: list[Region]) -> None:
        """The detector has answered."""
        self.detect.on_detected(self.detect.pictures[key].popleft(), regions)

    def undetected(self, key: int, reason: DropReason = DropReason.DETECT_FAILED) -> None:
        """The detector gave no answer for the picture."""
        self.detect.on_lost(self.detect.pictures[key].popleft(), reason, "in words")

    def decoder_lost(self, *keys: int) -> None:
        """These participants have got a new decoder."""
        self.decode.on_decoder_lost(list(keys))

    def incident(self, key: int, *, is_fatal: bool = True, worker: int = 0) -> None:
        """The oldest frame of the participant killed its decode worker, or took too long."""
        frame = self.decode.frames[key][0]
        self.decode.on_incident(
            Incident(key, frame.token, worker, f"decode-{worker}", "killed by SIGSEGV", is_fatal)
        )
        self.dropped(key, DropReason.DECODE_WORKER_LOST, needs_keyframe=False)

    # Combinations

    def analyse(self, stream: Stream, key: int, regions: list[Region], count: int = 1) -> None:
        """Sends frames of one participant, each decoded and analysed before the next."""
        for _ in range(count):
            stream.send()
            self.decoded(key)
            self.detected(key, regions)

    def smile(self, stream: Stream, key: int) -> None:
        """Sends and analyses frames of a smile until the reaction starts."""
        for _ in range(MAX_SMILE_FRAMES):
            if ("smile", Phase.STARTED) in stream.phases():
                return
            self.analyse(stream, key, SMILE)
        raise AssertionError(f"expected the smile to start within {MAX_SMILE_FRAMES} frames")


async def turn() -> None:
    """One turn of the event loop, so that waiting tasks continue."""
    await asyncio.sleep(0)
