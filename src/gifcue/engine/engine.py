"""The engine: routes frames from streams to decoders, pictures to detectors, and decisions back to streams.

    Session.frame ─► DecodePool.submit ─► on_outcome ─► DetectorPool.offer ─► on_result ─► Session.judged ─► Sink

One event loop owns everything here; pixels are never touched, only slot numbers are passed on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.detect.detector import ModelInfo
from gifcue.detect.pool import DetectorPool, DetectResult, ResultKind
from gifcue.detect.regions import Region
from gifcue.detect.worker import InlinePicture, SlotPicture
from gifcue.engine.accounting import Ticket
from gifcue.engine.events import Sink
from gifcue.engine.latency import LatencyRecorder, LatencyStatistics
from gifcue.engine.pace import AnalysisPace
from gifcue.engine.participant import EncodedFrame, Participant
from gifcue.engine.session import Session, SessionSettings
from gifcue.engine.settings import LimitSettings
from gifcue.errors import ConfigError, MediaError, Unavailable
from gifcue.media.messages import Dropped, Outcome, Picture, Skipped, Unit
from gifcue.media.pool import DecodePool
from gifcue.media.settings import MediaSettings
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.events import Reaction
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason
from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.settings import ReactionSettings, SubjectPolicy
from gifcue.rules.chooser import Choice, Chooser, ChosenGif
from gifcue.workers.supervised import WorkerStatistics

_LOSSES = {
    ResultKind.SUPERSEDED: DropReason.SUPERSEDED,
    ResultKind.FAILED: DropReason.DETECT_FAILED,
    ResultKind.WORKER_LOST: DropReason.DETECT_WORKER_LOST,
}


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """The whole server's figures. `analysis_fps` is how often each participant is looked at, at most."""

    sessions: int
    participants: int
    books: FrameCounts
    reactions: dict[str, int]
    latency: LatencyStatistics
    analysis_fps: float
    workers: tuple[WorkerStatistics, ...]


@dataclass(frozen=True, slots=True)
class AnnotatedStill:
    """One still, judged. `width` and `height` are pixels of the picture as it came."""

    regions: list[Region]
    model: ModelInfo
    width: int
    height: int


class Engine:
    """Owned by the server. The pools are handed over by `use` before `start`, since they call back into the engine."""

    def __init__(
        self,
        limits: LimitSettings,
        policies: Callable[[str], tuple[str, ReactionSettings]],
        chooser: Callable[[], Chooser],
        clock: Callable[[], float],
        ids: Callable[[], str],
        media: MediaSettings,
        deliver: Callable[[str, Reaction, ChosenGif], None] | None = None,
    ) -> None:
        """`policies` gives the name and the settings of a preset, the server's own for an empty name, and raises
        ConfigError for one it does not know; `chooser` gives the chooser of the rule book in force; `ids` gives random
        names for sessions and reactions; `deliver` gets the room's name, empty for none, and every reaction that
        started with a GIF, with that GIF, and must neither wait nor raise."""
        self.limits = limits
        self.max_pixels = media.max_pixels
        self._pace = AnalysisPace(media)
        self.reaction_ids = ids
        self._policies = policies
        self._chooser = chooser
        self._clock = clock
        self._deliver = deliver
        self._keys = itertools.count(1)
        self._sessions: dict[str, Session] = {}
        self._closing: dict[str, Session] = {}
        self._routes: dict[int, tuple[Session, Participant]] = {}
        self._closed_books = FrameCounts()
        self._reactions: Counter[str] = Counter()
        self._latency = LatencyRecorder()
        self._decode: DecodePool
        self._detect: DetectorPool

    # Lifecycle

    def use(self, decode: DecodePool, detect: DetectorPool) -> None:
        """Hands over the pools."""
        self._decode = decode
        self._detect = detect

    async def start(self) -> None:
        """Starts both kinds of worker; returns once a detector is warm and a decoder is ready.

        Raises:
            WorkerStartError: a worker never became ready.
        """
        await asyncio.gather(self._decode.start(), self._detect.start())

    async def stop(self) -> None:
        """Stops the workers. What is still in flight is lost; `Session.settled` comes before."""
        await asyncio.gather(self._decode.stop(), self._detect.stop())

    @property
    def is_ready(self) -> bool:
        """True while frames can be judged."""
        return self._detect.ready and self._decode.ready

    @property
    def has_failed(self) -> bool:
        """True once the workers of a kind failed too often to be restarted."""
        return self._detect.failed or self._decode.failed

    @property
    def model(self) -> ModelInfo:
        """The model in service. Raises Unavailable before the first detector is warm."""
        info = self._detect.info
        if info is None:
            raise Unavailable("expected a detector that is warm, none is yet")
        return info

    # For sessions

    def open_session(
        self,
        *,
        room_id: str,
        client_name: str,
        preset: str,
        send_holding: bool,
        send_decisions: bool,
        sink: Sink,
        speaking_suppresses_hands: bool | None = None,
        subject: SubjectPolicy | None = None,
    ) -> Session:
        """A stream begins; `send_*` tell which notices it wants besides the ones that everybody gets.

        `speaking_suppresses_hands` and `subject` go over the policy's own; None leaves those.

        Raises:
            ConfigError: a name is too long, or no preset has this name.
        """
        for field, value in (("room_id", room_id), ("client_name", client_name)):
            size = len(value.encode())
            if size > self.limits.max_name_bytes:
                raise ConfigError(f"{field}: expected at most {self.limits.max_name_bytes} bytes, got {size}")
        name, policy = self._policies(preset)
        policy = policy.for_stream(speaking_suppresses_hands=speaking_suppresses_hands, subject=subject)
        settings = SessionSettings(room_id, name, policy, send_holding, send_decisions)
        session = Session(self, self.reaction_ids(), settings, sink, self._clock)
        self._sessions[session.session_id] = session
        return session

    def close_session(self, session: Session) -> None:
        """A stream ended: everybody leaves; its books stay open until the frames in flight have ended."""
        session.finish("stream_closed")
        del self._sessions[session.session_id]
        self._closing[session.session_id] = session
        self._settle(session)

    def next_key(self) -> int:
        """A number for a participant, never used again."""
        return next(self._keys)

    @property
    def participant_count(self) -> int:
        return sum(session.participant_count for session in self._sessions.values())

    def reaction_labels(self, policy: ReactionSettings) -> tuple[str, ...]:
        """The labels that can become reactions: the policy knows how, and the model sees them."""
        return tuple(label for label in self.model.labels if label in policy.reaction_labels)

    def attach(self, session: Session, participant: Participant, extradata: bytes) -> None:
        """A participant joined: gives it a decoder."""
        self._routes[participant.key] = (session, participant)
        self._decode.open(participant.key, participant.codec, extradata)

    def start_over(self, participant: Participant) -> None:
        """No label is allowed any more: the pictures that its decoder keeps go, too."""
        self._decode.start_over(participant.key)

    def detach(self, participant: Participant) -> None:
        """A participant left: no more frames of it come, those in flight are finished."""
        self._decode.close(participant.key)

    def retire(self, participant: Participant) -> None:
        """The last frame of a participant that left has ended."""
        del self._routes[participant.key]
        self._detect.forget(participant.key)

    def buffered_bytes(self, participant: Participant) -> int:
        """Bytes of a participant that wait for its decoder."""
        return self._decode.buffered_bytes(participant.key)

    def submit(self, participant: Participant, ticket: Ticket, frame: EncodedFrame) -> None:
        """Sends a frame on its way."""
        unit = Unit(ticket.token, ticket.pts_s, frame.keyframe, frame.payload)
        self._decode.submit(participant.key, unit)

    def follow_hold(self, participant: Participant) -> None:
        """Tells the similar-frame filter whether a hold runs: it must not skip then."""
        holding = participant.policy.holding
        if holding != participant.is_held:
            participant.is_held = holding
            self._decode.set_hold(participant.key, holding)

    def choose(self, event: PolicyEvent, room_id: str, participant_id: str) -> Choice:
        """The GIF for a reaction that started."""
        return self._chooser().choose(event.label, event.score, room_id, participant_id, self._clock())

    def deliver(self, room_id: str, reaction: Reaction, gif: ChosenGif) -> None:
        """Hands on a reaction that started with a GIF, if somebody wants it."""
        if self._deliver is not None:
            self._deliver(room_id, reaction, gif)

    def count_event(self, event: PolicyEvent) -> None:
        if event.phase is Phase.STARTED:
            self._reactions[event.label] += 1

    # Stills

    async def annotate(self, image: bytes) -> AnnotatedStill:
        """Judges one JPEG or PNG.

        Raises:
            MediaError: it is neither, damaged, or too large.
            Unavailable: no detector is ready, or too many stills wait.
            WorkerLost: the worker that held it died.
        """
        size = len(image)
        if not 0 < size <= self.limits.max_frame_bytes:
            message = f"expected a picture of 1 to {self.limits.max_frame_bytes} bytes, got {size}"
            raise MediaError(DropReason.FRAME_TOO_LARGE if size else DropReason.EMPTY_PAYLOAD, message)
        still = await self._decode.still(image)
        try:
            regions = await self._detect.annotate(
                InlinePicture(still.rgb, still.width, still.height)
                if still.slot is None
                else SlotPicture(still.slot, still.width, still.height)
            )
        finally:
            if still.slot is not None:
                self._decode.release(still.slot, analysed=True)
        return AnnotatedStill(regions, self.model, still.source_width, still.source_height)

    # What the pools say

    def on_outcome(self, outcome: Outcome) -> None:
        """A decode worker is done with a unit."""
        session, participant = self._routes[outcome.key]
        match outcome:
            case Picture():
                ticket = participant.ledger.in_flight(outcome.token)
                ticket.slot = outcome.slot
                participant.picture_pending(ticket, outcome.pts_s)
                self._detect.offer(outcome.key, outcome.token, outcome.slot, outcome.width, outcome.height)
            case Skipped():
                session.skipped(participant, outcome.token, outcome.reason, outcome.pts_s)
            case Dropped():
                session.dropped(
                    participant,
                    outcome.token,
                    outcome.reason,
                    outcome.message,
                    needs_keyframe=outcome.needs_keyframe,
                )
        self._settle(session)

    def on_decoder_lost(self, keys: list[int]) -> None:
        """A decode worker was lost; these participants have a new decoder, which waits for a keyframe."""
        for key in keys:
            route = self._routes.get(key)
            if route is not None:
                session, participant = route
                session.decoder_lost(participant)

    def on_result(self, result: DetectResult) -> None:
        """A detector is done with a picture, one way or another; its slot is free again."""
        session, participant = self._routes[result.key]
        ticket = participant.ledger.in_flight(result.token)
        judged = result.kind is ResultKind.REGIONS
        if ticket.slot is not None:
            self._decode.release(ticket.slot, analysed=judged)
            ticket.slot = None
        if judged:
            session.judged(participant, result.token, result.regions)
            latency_ms = participant.latency_ms(ticket)
            self._latency.record(latency_ms)
            if self._pace.answered(latency_ms, self._clock()):
                self._decode.pace(self._pace.fps)
        else:
            reason = _LOSSES[result.kind]
            if reason is DropReason.SUPERSEDED and self._pace.superseded(self._clock()):
                self._decode.pace(self._pace.fps)
            session.dropped(participant, result.token, reason, result.message, needs_keyframe=False)
        self._settle(session)

    # Figures

    def statistics(self) -> EngineStatistics:
        """The whole server's figures as they stand."""
        sessions = [*self._sessions.values(), *self._closing.values()]
        return EngineStatistics(
            sessions=len(self._sessions),
            participants=self.participant_count,
            books=FrameCounts.total([self._closed_books, *(session.books() for session in sessions)]),
            reactions=dict(self._reactions),
            latency=self._latency.statistics(),
            analysis_fps=self._pace.fps,
            workers=(*self._decode.statistics().workers, *self._detect.statistics().workers),
        )

    def _settle(self, session: Session) -> None:
        if session.session_id in self._closing and session.is_idle:
            del self._closing[session.session_id]
            self._closed_books = FrameCounts.total([self._closed_books, session.books()])
