"""The engine: the open streams of a server, and its figures.

Engine ─► Session ─► Participant ─► Pipeline     frames
                         ▲  │           │
                         │  ▼           │
                         │ Publisher    │        reactions, to the stream's sink and to deliveries
                         └──────────────┘        what became of each frame
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.statistics import DetectStatistics
from gifcue.engine.decisions import DecisionDetails
from gifcue.engine.events import Sink
from gifcue.engine.latency import LatencyStatistics
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Publisher
from gifcue.engine.quarantine import Quarantine
from gifcue.engine.quiet import AFTER_STALL_S, LOOK_INTERVAL_S, STALL_LOOKS
from gifcue.engine.rights import StreamRights, Unrestricted
from gifcue.engine.session import Session
from gifcue.engine.session_settings import SessionSettings, reaction_labels
from gifcue.engine.settings import LimitSettings
from gifcue.engine.stills import AnnotatedStill
from gifcue.engine.tally import Tally
from gifcue.errors import ConfigError, MediaError
from gifcue.media.pool import DecodeStatistics
from gifcue.media.still_admission import StillPlace
from gifcue.media.still_pool import StillStatistics
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason, LeaveReason
from gifcue.protocol.resume import RoomState, room_state_fault
from gifcue.protocol.statistics import WorkerStatus
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.reactions.settings import ReactionSettings


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """The whole server's figures. `reactions` counts those that started, by label, and `dismissals` those of them that
    were not meant; `analysis_fps` is how many pictures a second of each participant are analysed at most. `faults` and
    `keyframe_requests` count since the start.
    """

    sessions: int
    participants: int
    frames: FrameCounts
    reactions: dict[str, int]
    dismissals: dict[str, int]
    latency: LatencyStatistics
    analysis_fps: float
    decode: DecodeStatistics
    detect: DetectStatistics
    stills: StillStatistics
    faults: Mapping[str, int]
    keyframe_requests: int

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        """All worker processes."""
        return (*self.decode.workers, *self.detect.workers, *self.stills.workers)


class Engine:
    """The open streams and the pipeline that they share. Owned by the server."""

    def __init__(
        self,
        limits: LimitSettings,
        policies: Callable[[str], tuple[str, ReactionSettings]],
        pipeline: Pipeline,
        publisher: Publisher,
        clock: Callable[[], float],
        ids: Callable[[], str],
    ) -> None:
        """`policies` gives the name and the settings of a preset, the server's own for an empty name, and raises
        ConfigError for one it does not know; `ids` gives random names for sessions and reactions. The engine starts
        and stops the pipeline.
        """
        self.limits = limits
        self._policies = policies
        self._pipeline = pipeline
        self._publisher = publisher
        self._clock = clock
        self._ids = ids
        self._quarantine = Quarantine(clock)
        self._tally = Tally()
        self._sessions: dict[str, Session] = {}
        # Streams that ended while frames of theirs were in flight.
        self._closing: dict[str, Session] = {}
        self._closed_frames = FrameCounts()

    async def start(self) -> None:
        """Starts the workers; returns once a detector is warm and the decoders are ready.

        Raises:
            WorkerStartError: a worker never became ready.
        """
        await self._pipeline.start()

    async def stop(self) -> None:
        """Stops the workers. What is still in flight is dropped; `Session.settled` comes before."""
        await self._pipeline.stop()

    async def end_quiet(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Ends the reactions of participants whose frames have stopped, until it is cancelled. It also ends the low
        analysis rate of a load that is gone.
        """
        last_s = resumes_s = self._clock()
        while True:
            await sleep(LOOK_INTERVAL_S)
            now_s = self._clock()
            self._pipeline.look()
            if now_s - last_s > STALL_LOOKS * LOOK_INTERVAL_S:
                resumes_s = now_s + AFTER_STALL_S
            last_s = now_s
            if now_s < resumes_s:
                continue
            for session in self._sessions.values():
                session.end_quiet(now_s)

    @property
    def is_ready(self) -> bool:
        """True while frames can be analysed."""
        return self._pipeline.is_ready

    @property
    def is_running(self) -> bool:
        """True between start and stop: every worker that ends is restarted."""
        return self._pipeline.is_running

    @property
    def has_failed(self) -> bool:
        """True while no worker of a kind is ready or expected back soon."""
        return self._pipeline.has_failed

    @property
    def model(self) -> ServedModel:
        """The model in service. Raises Unavailable before the first detector is warm."""
        return self._pipeline.model

    @property
    def participant_count(self) -> int:
        """Participants joined on all streams."""
        return self._pipeline.participant_count

    @property
    def max_pixels(self) -> int:
        """Pixels of a picture that is decoded, at most."""
        return self._pipeline.max_pixels

    def use_gestures(self, gestures: Sequence[GestureClassifier]) -> None:
        """Replaces the gesture classifiers. Frames that are analysed from now on use them, on every stream."""
        self._pipeline.use_gestures(gestures)

    def watch_batches(self, watcher: Callable[[int, float], None]) -> None:
        """Calls `watcher` with every batch, as `Pipeline.watch_batches` does."""
        self._pipeline.watch_batches(watcher)

    def session(self, session_id: str) -> Session | None:
        """The open stream of this name; None where there is none."""
        return self._sessions.get(session_id)

    def reaction_labels(self, policy: ReactionSettings) -> tuple[str, ...]:
        """The labels that can become reactions: the policy knows how, and the model sees them."""
        return reaction_labels(self.model, policy)

    def open_session(
        self,
        *,
        room_id: str,
        client_name: str,
        preset: str,
        send_holding: bool,
        sink: Sink,
        decisions: DecisionDetails | None = None,
        speaking_suppresses_hands: bool | None = None,
        subject: SubjectPolicy | None = None,
        rights: StreamRights | None = None,
        resume: RoomState | None = None,
        peer: str = "",
    ) -> Session:
        """A stream begins. `send_holding`: whether it wants these events, which are optional. `decisions`: what it
        wants to know of each frame that is analysed, None for nothing.

        `speaking_suppresses_hands` and `subject` override the policy's own values; None keeps them. `rights` None
        allows everything. `resume` is what the room keeps from the server before, None where the client carries nothing
        to the next one. `peer` is the address that the stream comes from, without its port: hostile video counts
        against it.

        Raises:
            ConfigError: a name is too long, no preset has this name, or the room's state is wrong.
        """
        for field, value in (("room_id", room_id), ("client_name", client_name)):
            size = len(value.encode())
            if size > self.limits.max_name_bytes:
                raise ConfigError(f"{field}: expected at most {self.limits.max_name_bytes} bytes, got {size}")
        if resume is not None and (wrong := room_state_fault(resume)) is not None:
            raise ConfigError(wrong)
        name, policy = self._policies(preset)
        policy = policy.for_stream(speaking_suppresses_hands=speaking_suppresses_hands, subject=subject)
        session = Session(
            self._ids(),
            SessionSettings(room_id, name, policy, send_holding, decisions, resume),
            sink,
            self._pipeline,
            self._publisher,
            self.limits,
            self._clock,
            self._ids,
            rights or Unrestricted(),
            self._quarantine.of_stream(peer),
            self._tally,
            peer,
        )
        self._sessions[session.session_id] = session
        return session

    def close_session(self, session: Session) -> None:
        """A stream ended: its participants leave. Its frames are counted until the last one in flight has ended."""
        session.finish(LeaveReason.STREAM_CLOSED)
        # `call_when_idle` comes last: it may call `_forget` at once, which takes the session out of `_closing`.
        del self._sessions[session.session_id]
        self._closing[session.session_id] = session
        session.call_when_idle(lambda: self._forget(session))

    def enter_still(self, caller: str, size_bytes: int | None = None) -> StillPlace:
        """Takes a place for a still of `size_bytes` (None: not known yet), before its bytes are read. Whoever takes it
        closes it. `caller` tells callers apart, by their address.

        Raises:
            TooManyRequests: this caller has too many places, or has to wait.
            Overloaded: all places together are too many.
        """
        return self._pipeline.stills.enter(caller, size_bytes)

    async def annotate(self, image: bytes, place: StillPlace) -> AnnotatedStill:
        """Analyses one JPEG or PNG.

        Raises:
            MediaError: it is neither, damaged, or too large, or a decoder was lost with it.
            Unavailable: no worker is ready, or none was free within `stills.timeout_s`.
            WorkerLost: the detector that held it died.
        """
        size = len(image)
        if not 0 < size <= self.limits.max_frame_bytes:
            message = f"expected a picture of 1 to {self.limits.max_frame_bytes} bytes, got {size}"
            raise MediaError(DropReason.FRAME_TOO_LARGE if size else DropReason.EMPTY_PAYLOAD, message)
        return await self._pipeline.stills.annotate(image, place)

    def statistics(self) -> EngineStatistics:
        """The whole server's figures as they stand."""
        sessions = [*self._sessions.values(), *self._closing.values()]
        pipeline = self._pipeline.statistics()
        return EngineStatistics(
            sessions=len(self._sessions),
            participants=self._pipeline.participant_count,
            frames=FrameCounts.total([self._closed_frames, *(each.frame_counts() for each in sessions)]),
            reactions=self._publisher.started,
            dismissals=self._publisher.dismissals,
            latency=pipeline.latency,
            analysis_fps=pipeline.analysis_fps,
            decode=pipeline.decode,
            detect=pipeline.detect,
            stills=pipeline.stills,
            faults=self._tally.faults,
            keyframe_requests=self._tally.keyframe_requests,
        )

    def _forget(self, session: Session) -> None:
        del self._closing[session.session_id]
        self._closed_frames = FrameCounts.total([self._closed_frames, session.frame_counts()])
