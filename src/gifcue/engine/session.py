"""One stream: its participants, from join to leave, and its events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gifcue.bucket import TokenBucket
from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.engine.accounting import FrameAccounting
from gifcue.engine.decisions import DecisionDetails
from gifcue.engine.events import Sink
from gifcue.engine.faults import FaultReporter
from gifcue.engine.participant import Participant, StreamContext
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Audience, Publisher
from gifcue.engine.quarantine import StreamQuarantine
from gifcue.engine.rights import StreamRights
from gifcue.engine.settings import LimitSettings
from gifcue.engine.summary import SessionSummary, summary_of
from gifcue.engine.tally import Tally
from gifcue.engine.teaching import StreamTeaching, Watcher
from gifcue.engine.throttle import Throttle
from gifcue.media.codecs import extradata_fault
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Draining
from gifcue.protocol.reasons import DropReason, FaultCode, LeaveReason
from gifcue.protocol.requests import EncodedFrame
from gifcue.protocol.statistics import ParticipantStatistics
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.settings import ReactionSettings

# Unknown labels that a fault names, and characters of each: they come from outside, and the fault must stay small.
_SHOWN_LABELS = 8
_SHOWN_LABEL = 64


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a stream asked for. `send_holding`: whether it wants these events, which are optional. `decisions`: what it
    wants to know of each frame that is analysed, None for nothing.
    """

    room_id: str
    preset: str
    policy: ReactionSettings
    send_holding: bool
    decisions: DecisionDetails | None = None


def reaction_labels(model: ServedModel, policy: ReactionSettings) -> tuple[str, ...]:
    """The labels that can become reactions: the policy knows how, and the model sees them."""
    return tuple(label for label in model.labels if label in policy.reaction_labels)


class Session:
    """Owned by the engine; its methods never block and never raise for what a media server sends."""

    def __init__(
        self,
        session_id: str,
        settings: SessionSettings,
        sink: Sink,
        pipeline: Pipeline,
        publisher: Publisher,
        limits: LimitSettings,
        clock: Callable[[], float],
        ids: Callable[[], str],
        rights: StreamRights,
        quarantine: StreamQuarantine,
        tally: Tally,
        peer: str = "",
    ) -> None:
        """`ids` gives random names for reactions; `rights` are those of the stream's caller, and `peer` is its address,
        for logs. `tally` counts for the whole server.
        """
        self.session_id = session_id
        self._rights = rights
        self._settings = settings
        self._limits = limits
        self._sink = sink
        self._pipeline = pipeline
        self._ids = ids
        self._clock = clock
        self._joins = TokenBucket(limits.joins_per_second, limits.joins_at_once)
        self._policy = settings.policy
        self._teaching = StreamTeaching(lambda: pipeline.model)
        self._faults = FaultReporter(sink, Throttle(limits.fault_interval_s, clock), tally)
        # A room without a name is a room of its own.
        audience = Audience(sink, settings.room_id, settings.room_id or session_id, settings.send_holding)
        self._context = StreamContext(
            session_id,
            peer,
            quarantine,
            pipeline,
            publisher,
            audience,
            self._faults,
            tally,
            limits,
            clock,
            settings.decisions,
            self._teaching,
        )
        self._participants: dict[str, Participant] = {}
        # Those that left or were replaced while frames of theirs were in flight, by key, until the last one ends.
        self._leaving: dict[int, Participant] = {}
        self._left: deque[ParticipantStatistics] = deque()
        self._forgotten = FrameCounts()  # of those that left and are not reported one by one any more
        self._forgotten_reactions = 0
        self._unknown_frames = FrameAccounting()  # frames that name no participant
        # Frames that arrived, refused ones included.
        self.received = 0
        self._is_draining = False
        self._when_idle: list[Callable[[], None]] = []

    # Called for messages of the media server

    def join(self, participant_id: str, codec: Codec | None, extradata: bytes, labels: Sequence[str]) -> None:
        """A participant's video starts; `codec` is None where the wire's number names no known codec. Unknown labels
        are left out, and a fault names them.
        """
        problem = self._join_rate_problem() or self._join_problem(participant_id, codec, extradata, labels)
        is_new = participant_id not in self._participants
        if problem is None:
            # Last: a join that is refused for another reason takes nothing of the caller's quota.
            problem = self._rights.admit_join(is_new=is_new)
        if problem is not None or codec is None:
            present = self._participants.get(participant_id)
            if present is not None:
                self._withdraw(present, labels)
            code, message = problem or (FaultCode.UNSUPPORTED_CODEC, "expected a codec")
            self._faults.report(participant_id, code, message)
            return
        if not is_new:
            self._depart(participant_id, LeaveReason.REJOINED)
        allowed = self._known_labels(labels)
        policy = ReactionPolicy(self._policy, allowed, self._ids)
        self._participants[participant_id] = Participant(
            participant_id, codec, extradata, policy, allowed, self._context, self._on_idle
        )
        self._report_unknown(participant_id, labels)

    def allow(self, participant_id: str, labels: Sequence[str]) -> None:
        """The labels allowed have changed. Unknown ones are left out, and a fault names them."""
        participant = self._find(participant_id)
        if participant is None:
            return
        too_many = self._too_many_labels(labels)
        if too_many is not None:
            self._withdraw(participant, labels)
            self._faults.report(participant_id, *too_many)
            return
        participant.allow(self._known_labels(labels))
        self._report_unknown(participant_id, labels)

    def speaking(self, participant_id: str, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        participant = self._find(participant_id)
        if participant is not None:
            participant.set_speaking(speaking)

    def dismiss(self, participant_id: str, reaction_id: str) -> None:
        """A reaction of the participant was not meant."""
        participant = self._find(participant_id)
        if participant is not None:
            participant.dismiss(reaction_id)

    def leave(self, participant_id: str, reason: str = LeaveReason.LEFT) -> None:
        """The participant's video ends; its reactions end with it. What is in flight is finished, without effect."""
        if self._find(participant_id) is not None:
            self._depart(participant_id, reason)
            self._rights.left()

    def end_quiet(self, now_s: float) -> None:
        """Ends reactions of participants whose frames have stopped, by the server's clock."""
        for participant in self._participants.values():
            participant.end_quiet(now_s)

    def frame(self, frame: EncodedFrame) -> None:
        """One access unit."""
        self.received += 1
        participant = self._participants.get(frame.participant_id)
        if participant is None:
            self._unknown_frames.refuse(DropReason.UNKNOWN_PARTICIPANT)
            message = "expected a participant that joined this stream, got a frame of another"
            self._faults.report(
                frame.participant_id, FaultCode.UNKNOWN_PARTICIPANT, message, sequence=frame.sequence
            )
        elif self._is_draining:
            participant.refuse(DropReason.DRAINING)
        else:
            participant.receive(frame)

    # Called by the server

    def drain(self, deadline_ms: int) -> None:
        """Takes no more frames, and sends `Draining`."""
        if not self._is_draining:
            self._is_draining = True
            self._sink.put(Draining(deadline_ms))

    def finish(self, reason: str) -> None:
        """All participants leave. Frames in flight still end and are counted."""
        for participant_id in list(self._participants):
            self.leave(participant_id, reason)

    @property
    def is_idle(self) -> bool:
        """True while no frame of this stream is in flight."""
        return not self._leaving and all(each.is_idle for each in self._participants.values())

    def call_when_idle(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once no frame of this stream is in flight: at once, or after the last one has ended."""
        if self.is_idle:
            callback()
        else:
            self._when_idle.append(callback)

    async def settled(self) -> None:
        """Returns once no frame of this stream is in flight."""
        idle = asyncio.Event()
        self.call_when_idle(idle.set)
        await idle.wait()

    # Called for whoever teaches a gesture

    @property
    def sends_landmarks(self) -> bool:
        """Whether whoever opened this stream asked for landmarks. Nobody else may read them, or teach on it."""
        return self._settings.decisions is not None and self._settings.decisions.landmarks

    def watch_hands(self, watcher: Watcher) -> Callable[[], None]:
        """Calls `watcher` with the hands of every analysed frame, until the result is called. It must neither wait nor
        raise.
        """
        return self._teaching.watch(watcher)

    def try_gesture(self, label: str | None, classifier: GestureClassifier | None = None) -> None:
        """Puts a gesture on trial, for this stream alone and in place of another one. Its participants may allow the
        label from now on; without a classifier no hand shows it yet. None ends the trial.
        """
        if label != self._teaching.label:
            added = [] if label is None else [label]
            self._policy = self._settings.policy.with_gestures(added)
            for participant in self._participants.values():
                participant.use_policy(ReactionPolicy(self._policy, participant.allowed, self._ids))
        self._teaching.use(label, classifier)
        # Consent to a label that is gone is consent to nothing: no frame is decoded on its account.
        known = frozenset(self.reaction_labels)
        for participant in self._participants.values():
            if not participant.allowed <= known:
                participant.allow(participant.allowed & known)

    # Figures

    def statistics(self) -> list[ParticipantStatistics]:
        """The figures of each participant of this stream, those that left included."""
        present = [*self._participants.values(), *self._leaving.values()]
        return [*self._left, *(participant.statistics() for participant in present)]

    def frame_counts(self) -> FrameCounts:
        """The frames of the whole stream, those that named no participant included."""
        present = [each.frames for each in (*self._participants.values(), *self._leaving.values())]
        gone = [self._forgotten, self._unknown_frames.statistics(), *(each.frames for each in self._left)]
        return FrameCounts.total([*gone, *present])

    def summary(self) -> SessionSummary:
        """The figures of the whole stream."""
        present = [each.statistics() for each in self._participants.values()]
        reactions = self._forgotten_reactions + sum(each.reactions for each in (*self._left, *present))
        reactions += sum(each.reactions for each in self._leaving.values())
        return summary_of(present, self.frame_counts(), reactions)

    @property
    def preset(self) -> str:
        """The name of the policy's preset in force."""
        return self._settings.preset

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """The labels that a participant may allow: those that the server has and the caller is granted."""
        known = reaction_labels(self._pipeline.model, self._policy)
        tried = self._teaching.label
        if tried is not None and tried not in known:
            known = (*known, tried)
        granted = self._rights.labels
        return known if granted is None else tuple(label for label in known if label in granted)

    @property
    def participant_count(self) -> int:
        return len(self._participants)

    # Internal

    def _depart(self, participant_id: str, reason: str) -> None:
        participant = self._participants.pop(participant_id)
        participant.leave(reason)
        self._leaving[participant.key] = participant
        if participant.is_idle:
            self._retire(participant)

    @staticmethod
    def _withdraw(participant: Participant, labels: Sequence[str]) -> None:
        """Withdraws the consent to labels that are not in `labels`, even where the rest of the message is refused."""
        participant.allow(participant.allowed & frozenset(labels))

    def _join_rate_problem(self) -> tuple[FaultCode, str] | None:
        if self._joins.take(self._clock()):
            return None
        message = (
            f"expected at most {self._limits.joins_per_second:g} joins a second on a stream: "
            f"try again in {self._joins.next_in_s:.1f} s"
        )
        return FaultCode.TOO_MANY_JOINS, message

    def _join_problem(
        self, participant_id: str, codec: Codec | None, extradata: bytes, labels: Sequence[str]
    ) -> tuple[FaultCode, str] | None:
        if self._is_draining:
            message = "expected no join after `drain`, got one: this stream drains, join on a new one"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
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
        too_many = self._too_many_labels(labels)
        if too_many is not None:
            return too_many
        present = self._participants.get(participant_id)
        if self._pipeline.is_overloaded and (present is None or present.is_paused):
            message = (
                "expected a server that decodes in time, it has more to decode: try again in a few seconds"
            )
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        if present is not None:
            return None
        if len(self._participants) >= limits.max_participants_per_stream:
            message = f"expected at most {limits.max_participants_per_stream} participants on a stream"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        if self._pipeline.participant_count >= limits.max_participants:
            message = f"expected at most {limits.max_participants} participants on this server"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        return None

    def _too_many_labels(self, labels: Sequence[str]) -> tuple[FaultCode, str] | None:
        if len(labels) <= self._limits.max_labels:
            return None
        message = f"expected at most {self._limits.max_labels} labels, got {len(labels)}"
        return FaultCode.INVALID_LABEL, message

    def _known_labels(self, labels: Sequence[str]) -> frozenset[str]:
        return frozenset(labels).intersection(self.reaction_labels)

    def _report_unknown(self, participant_id: str, labels: Sequence[str]) -> None:
        """Names the labels that were left out, if there are any."""
        known = self.reaction_labels
        unknown = sorted(set(labels).difference(known))
        if unknown:
            message = self._describe_unknown(unknown, known)
            self._faults.report(participant_id, FaultCode.INVALID_LABEL, message)

    def _describe_unknown(self, unknown: Sequence[str], known: Sequence[str]) -> str:
        named = ", ".join(label[:_SHOWN_LABEL] for label in unknown[:_SHOWN_LABELS])
        others = f" and {len(unknown) - _SHOWN_LABELS} others" if len(unknown) > _SHOWN_LABELS else ""
        granted = self._rights.labels
        if granted is not None and (refused := set(unknown) - granted):
            self._rights.label_refused(refused)
            return f"expected labels that the token grants, {', '.join(known)}; got {named}{others}"
        return f"expected labels out of {', '.join(known)}; got {named}{others}"

    def _find(self, participant_id: str) -> Participant | None:
        participant = self._participants.get(participant_id)
        if participant is None:
            message = "expected a participant that joined this stream, got an update of another"
            self._faults.report(participant_id, FaultCode.UNKNOWN_PARTICIPANT, message)
        return participant

    def _on_idle(self, participant: Participant) -> None:
        """The last frame in flight of a participant has ended."""
        # Retired first: a participant that is still leaving keeps the stream from being idle.
        if participant.key in self._leaving:
            self._retire(participant)
        if self._when_idle and self.is_idle:
            callbacks, self._when_idle = self._when_idle, []
            for callback in callbacks:
                callback()

    def _retire(self, participant: Participant) -> None:
        """Forgets a participant that left and has no frame in flight; its figures stay."""
        del self._leaving[participant.key]
        self._pipeline.forget(participant.key)
        self._left.append(participant.statistics())
        while len(self._left) > self._limits.left_participants_kept:
            oldest = self._left.popleft()
            self._forgotten = FrameCounts.total([self._forgotten, oldest.frames])
            self._forgotten_reactions += oldest.reactions
