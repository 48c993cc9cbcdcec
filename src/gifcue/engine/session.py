"""One stream: its participants, from join to leave, and what it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gifcue.detect.regions import Region
from gifcue.engine.accounting import FrameAccounting, Ticket
from gifcue.engine.events import Sink
from gifcue.engine.faults import FaultReporter
from gifcue.engine.participant import Decided, EncodedFrame, Participant, Refusal
from gifcue.media.codecs import Codec, extradata_fault
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.events import (
    Draining,
    FrameDecided,
    Gif,
    KeyframeRequested,
    ParticipantStatistics,
    Reaction,
    SlowDown,
)
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FAULT_CODES, DropReason, FaultCode, SkipReason
from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.settings import ReactionSettings
from gifcue.rules.chooser import Choice

if TYPE_CHECKING:
    from gifcue.engine.engine import Engine

# Frames a second that suit a participant whose video overran its limits.
SLOW_DOWN_FPS = 15.0


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a stream asked for."""

    room_id: str
    preset: str
    policy: ReactionSettings
    send_holding: bool
    send_decisions: bool = False


class Session:
    """Owned by the engine; its methods never block and never raise for what a media server sends."""

    def __init__(
        self,
        engine: Engine,
        session_id: str,
        settings: SessionSettings,
        sink: Sink,
        clock: Callable[[], float],
    ) -> None:
        self.session_id = session_id
        self._engine = engine
        self._settings = settings
        self._limits = engine.limits
        self._sink = sink
        self._clock = clock
        self._participants: dict[str, Participant] = {}
        # Those that left or were replaced while frames of theirs were in flight, by key, until the last one ends.
        self._leaving: dict[int, Participant] = {}
        self._left: deque[ParticipantStatistics] = deque()
        self._forgotten: list[FrameCounts] = []
        self._strays = FrameAccounting()
        self._faults = FaultReporter(self._limits.fault_interval_s)
        self._slow_down_s: dict[str, float] = {}
        self._is_draining = False
        self._waiting: list[asyncio.Future[None]] = []  # for the stream to settle

    # What the media server says

    def join(self, participant_id: str, codec: Codec | None, extradata: bytes, labels: Sequence[str]) -> None:
        """A participant's video starts; `codec` None stands for one that the wire does not know."""
        problem = self._join_problem(participant_id, codec, extradata, labels)
        if problem is not None or codec is None:
            present = self._participants.get(participant_id)
            if present is not None:
                self._take_back(present, labels)
            kind, message = problem or (FaultCode.UNSUPPORTED_CODEC, "expected a codec")
            self._fault(participant_id[: self._limits.max_name_bytes], kind, message)
            return
        if participant_id in self._participants:
            self.leave(participant_id, "rejoined")
        key = self._engine.next_key()
        allowed = frozenset(labels)
        policy = ReactionPolicy(self._settings.policy, allowed, self._engine.reaction_ids)
        participant = Participant(key, participant_id, codec, policy, allowed, self._limits, self._clock)
        self._participants[participant_id] = participant
        self._engine.attach(self, participant, extradata)

    def allow(self, participant_id: str, labels: Sequence[str]) -> None:
        """The labels allowed have changed. Where one is unknown none is added, and a fault tells so."""
        participant = self._find(participant_id)
        if participant is None:
            return
        unknown = self._unknown_labels(labels)
        if unknown is not None:
            self._take_back(participant, labels)
            self._fault(participant_id, FaultCode.INVALID_LABEL, unknown)
            return
        was_allowed = participant.is_allowed
        self._allow(participant, frozenset(labels))
        if participant.is_allowed and not was_allowed:
            self._ask_keyframe(participant, "allowed")

    def speaking(self, participant_id: str, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        participant = self._find(participant_id)
        if participant is not None:
            self._tell(participant, participant.policy.set_speaking(speaking, participant.media_time_s))

    def leave(self, participant_id: str, reason: str = "left") -> None:
        """The participant's video ends; its reactions end with it. What is in flight is finished, without effect."""
        participant = self._find(participant_id)
        if participant is None:
            return
        self._tell(participant, participant.policy.finish(participant.media_time_s, reason))
        del self._participants[participant_id]
        self._leaving[participant.key] = participant
        self._engine.detach(participant)
        self._retire_if_idle(participant)

    def frame(self, frame: EncodedFrame) -> None:
        """One access unit."""
        participant = self._participants.get(frame.participant_id)
        if participant is None:
            self._strays.refuse(DropReason.UNKNOWN_PARTICIPANT)
            message = "expected a participant that joined this stream, got a frame of another"
            self._fault(frame.participant_id, FaultCode.UNKNOWN_PARTICIPANT, message, frame.sequence)
            return
        if self._is_draining:
            participant.ledger.refuse(DropReason.DRAINING)
            return
        admitted = participant.admit(frame, self._engine.buffered_bytes(participant))
        if isinstance(admitted, Refusal):
            self._refused(participant, frame, admitted)
        else:
            self._engine.submit(participant, admitted, frame)

    def statistics(self) -> list[ParticipantStatistics]:
        """Of everybody on this stream, those that left included."""
        present = [*self._participants.values(), *self._leaving.values()]
        return [*self._left, *(participant.statistics() for participant in present)]

    def books(self) -> FrameCounts:
        """The whole stream's, frames that named nobody included."""
        return FrameCounts.total(
            [*self._forgotten, self._strays.statistics(), *(each.books for each in self.statistics())]
        )

    @property
    def preset(self) -> str:
        """The name of the policy's preset in force."""
        return self._settings.preset

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """The labels that a participant may allow."""
        return self._engine.reaction_labels(self._settings.policy)

    @property
    def participant_count(self) -> int:
        return len(self._participants)

    @property
    def is_idle(self) -> bool:
        """True when no frame of this stream is in flight."""
        return not self._leaving and all(each.ledger.is_idle for each in self._participants.values())

    async def settled(self) -> None:
        """Returns once no frame of this stream is in flight."""
        if not self.is_idle:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def drain(self, deadline_ms: int) -> None:
        """Takes no more frames, and says so."""
        if not self._is_draining:
            self._is_draining = True
            self._sink.put(Draining(deadline_ms))

    def finish(self, reason: str) -> None:
        """Everybody leaves. The session stays attached until the frames in flight have ended."""
        for participant_id in list(self._participants):
            self.leave(participant_id, reason)

    # What the engine says

    def skipped(self, participant: Participant, token: int, reason: SkipReason, pts_s: float) -> None:
        self._decide(participant, [participant.skipped(token, reason, pts_s)])
        self._ended(participant)

    def judged(self, participant: Participant, token: int, regions: Sequence[Region]) -> None:
        decided = participant.judged(token, regions)
        if self._settings.send_decisions:
            ticket = decided[0].ticket
            latency_ms = participant.latency_ms(ticket)
            self._sink.put(
                FrameDecided(
                    participant.participant_id, ticket.sequence, ticket.pts, ticket.clock_hz, latency_ms
                )
            )
        self._decide(participant, decided)
        self._ended(participant)

    def dropped(
        self, participant: Participant, token: int, reason: DropReason, message: str, *, needs_keyframe: bool
    ) -> None:
        ticket = participant.dropped(token, reason)
        if participant.key not in self._leaving:
            kind = FAULT_CODES.get(reason)
            if kind is not None:
                self._fault(participant.participant_id, kind, message, ticket.sequence)
            if needs_keyframe:
                participant.gate.close()
                self._ask_keyframe(participant, reason.value)
        self._ended(participant)

    def decoder_lost(self, participant: Participant) -> None:
        """The worker that held this participant's decoder is gone: a new one needs a keyframe to start."""
        participant.gate.close()
        self._ask_keyframe(participant, DropReason.DECODE_WORKER_LOST.value)

    # Within

    def _take_back(self, participant: Participant, labels: Sequence[str]) -> None:
        """Ends what `labels` no longer name. Consent fails safe: it goes even where the message is refused."""
        self._allow(participant, participant.allowed & frozenset(labels))

    def _allow(self, participant: Participant, labels: frozenset[str]) -> None:
        was_allowed = participant.is_allowed
        self._tell(participant, participant.allow(labels))
        if was_allowed and not participant.is_allowed:
            self._engine.start_over(participant)

    def _join_problem(
        self, participant_id: str, codec: Codec | None, extradata: bytes, labels: Sequence[str]
    ) -> tuple[FaultCode, str] | None:
        limits = self._limits
        size = len(participant_id.encode())
        if not 0 < size <= limits.max_name_bytes:
            message = f"expected a participant's name of 1 to {limits.max_name_bytes} bytes, got {size}"
            return FaultCode.INVALID_ARGUMENT, message
        if codec is None:
            names = ", ".join(each.name for each in Codec)
            return FaultCode.UNSUPPORTED_CODEC, f"expected one of {names}, got a codec that is none of them"
        if len(extradata) > limits.max_extradata_bytes:
            message = (
                f"expected at most {limits.max_extradata_bytes} bytes of extradata, got {len(extradata)}"
            )
            return FaultCode.INVALID_EXTRADATA, message
        wrong = extradata_fault(codec, extradata)
        if wrong is not None:
            return FaultCode.INVALID_EXTRADATA, wrong
        unknown = self._unknown_labels(labels)
        if unknown is not None:
            return FaultCode.INVALID_LABEL, unknown
        if participant_id in self._participants:
            return None
        if len(self._participants) >= limits.max_participants_per_stream:
            message = f"expected at most {limits.max_participants_per_stream} participants on a stream"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        if self._engine.participant_count >= limits.max_participants:
            message = f"expected at most {limits.max_participants} participants on this server"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        return None

    def _unknown_labels(self, labels: Sequence[str]) -> str | None:
        known = self.reaction_labels
        unknown = sorted(set(labels) - set(known))
        return f"expected labels out of {', '.join(known)}; got {', '.join(unknown)}" if unknown else None

    def _find(self, participant_id: str) -> Participant | None:
        participant = self._participants.get(participant_id)
        if participant is None:
            message = "expected a participant that joined this stream, got an update of another"
            self._fault(participant_id, FaultCode.UNKNOWN_PARTICIPANT, message)
        return participant

    def _refused(self, participant: Participant, frame: EncodedFrame, refusal: Refusal) -> None:
        kind = FAULT_CODES.get(refusal.reason)
        if kind is not None:
            self._fault(participant.participant_id, kind, refusal.message, frame.sequence)
        if refusal.reason in (DropReason.RATE_LIMIT, DropReason.OVERLOAD):
            self._slow_down(participant, refusal.reason)
        self._ask_keyframe(participant, refusal.reason.value)

    def _slow_down(self, participant: Participant, reason: DropReason) -> None:
        now_s = self._clock()
        last_s = self._slow_down_s.get(participant.participant_id, -float("inf"))
        if now_s - last_s >= self._limits.keyframe_request_interval_s:
            self._slow_down_s[participant.participant_id] = now_s
            self._sink.put(SlowDown(participant.participant_id, SLOW_DOWN_FPS, reason.value))

    def _ask_keyframe(self, participant: Participant, reason: str) -> None:
        if participant.wants_keyframe_now():
            self._sink.put(KeyframeRequested(participant.participant_id, reason))

    def _fault(self, participant_id: str, kind: FaultCode, message: str, sequence: int = 0) -> None:
        notice = self._faults.report(participant_id, kind, message, sequence=sequence, now_s=self._clock())
        if notice is not None:
            self._sink.put(notice)

    def _decide(self, participant: Participant, decided: list[Decided]) -> None:
        if participant.key in self._leaving:
            return
        for each in decided:
            self._tell(participant, each.events, each.ticket)
        self._engine.follow_hold(participant)

    def _tell(
        self, participant: Participant, events: list[PolicyEvent], ticket: Ticket | None = None
    ) -> None:
        """`ticket` is the deciding frame's; None where no frame decided but a message did."""
        frame = ticket or participant.last_decided
        for event in events:
            assert frame is not None, "expected no event before a frame was decided upon"
            self._engine.count_event(event)
            if event.phase in (Phase.HOLDING, Phase.CANCELLED) and not self._settings.send_holding:
                continue
            choice = None
            if event.phase is Phase.STARTED:
                # A room without a name is a room of its own.
                room_id = self._settings.room_id or self.session_id
                choice = self._engine.choose(event, room_id, participant.participant_id)
            reaction = Reaction(
                participant_id=participant.participant_id,
                reaction_id=event.reaction_id,
                phase=event.phase,
                label=event.label,
                progress=event.progress,
                score=event.score,
                box=event.box,
                pts=frame.pts,
                clock_hz=frame.clock_hz,
                sequence=frame.sequence,
                latency_ms=participant.latency_ms(ticket) if ticket else 0.0,
                model_version=self._engine.model.version,
                gif=_gif_of(choice),
                gif_reason="" if choice is None else choice.reason,
                end_reason=event.reason,
            )
            self._sink.put(reaction)
            if choice is not None and choice.gif is not None:
                self._engine.deliver(self._settings.room_id, reaction, choice.gif)

    def _ended(self, participant: Participant) -> None:
        """A frame's way has ended."""
        if participant.key in self._leaving:
            self._retire_if_idle(participant)
        if self._waiting and self.is_idle:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    def _retire_if_idle(self, participant: Participant) -> None:
        if not participant.ledger.is_idle:
            return
        del self._leaving[participant.key]
        self._engine.retire(participant)
        self._left.append(participant.statistics())
        self._slow_down_s.pop(participant.participant_id, None)
        while len(self._left) > self._limits.left_participants_kept:
            self._forgotten = [FrameCounts.total([*self._forgotten, self._left.popleft().books])]


def _gif_of(choice: Choice | None) -> Gif | None:
    """The GIF that a stream is shown; None where the rules chose none."""
    if choice is None or choice.gif is None:
        return None
    gif = choice.gif
    return Gif(gif.id, gif.url, gif.title, gif.media_type, choice.priority)
