"""One stream: its participants, from join to leave, and its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.engine.carried import claims_of, kept
from gifcue.engine.consent import Consent
from gifcue.engine.events import Sink
from gifcue.engine.faults import FaultReporter
from gifcue.engine.joins import Joins
from gifcue.engine.participant import Participant
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Audience, Publisher
from gifcue.engine.quarantine import StreamQuarantine
from gifcue.engine.rights import StreamRights
from gifcue.engine.roster import Roster
from gifcue.engine.session_settings import SessionSettings, reaction_labels
from gifcue.engine.settings import LimitSettings
from gifcue.engine.stream_context import StreamContext
from gifcue.engine.summary import SessionSummary
from gifcue.engine.tally import Tally
from gifcue.engine.teaching import StreamTeaching, Watcher
from gifcue.engine.throttle import Throttle
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Draining
from gifcue.protocol.reasons import DropReason, FaultCode, LeaveReason
from gifcue.protocol.requests import EncodedFrame, Join
from gifcue.protocol.resume import ParticipantState
from gifcue.protocol.statistics import ParticipantStatistics
from gifcue.reactions.policy import ReactionPolicy


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
        self._policy = settings.policy
        self._teaching = StreamTeaching(lambda: pipeline.model)
        self._faults = FaultReporter(sink, Throttle(limits.fault_interval_s, clock), tally)
        # A room without a name is a room of its own.
        audience = Audience(
            sink,
            settings.room_id,
            settings.room_id or session_id,
            settings.send_holding,
            claims_of(settings.resume.gif_cooldowns if settings.resume else (), clock()),
        )
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
        self._consent = Consent(lambda: self.reaction_labels, rights, limits, self._faults)
        self._joins = Joins(self._context, self._consent, rights)
        self._roster = Roster(limits.left_participants_kept, pipeline.forget)
        # Frames that arrived, refused ones included.
        self.received = 0
        self._is_draining = False

    # Called for messages of the media server

    def join(
        self,
        participant_id: str,
        codec: Codec | None,
        extradata: bytes,
        labels: Sequence[str],
        resume: ParticipantState | None = None,
    ) -> None:
        """A participant's video starts; `codec` is None where the wire's number names no known codec. Unknown labels
        are left out, and a fault names them. `resume` is what the participant keeps from another server, or from its
        join before this one.
        """
        present = self._roster.get(participant_id)
        join = Join(participant_id, codec, extradata, tuple(labels), resume)
        problem = self._joins.problem(join, present, len(self._roster), is_draining=self._is_draining)
        if problem is not None or codec is None:
            if present is not None:
                self._withdraw(present, labels)
            code, message = problem or (FaultCode.UNSUPPORTED_CODEC, "expected a codec")
            self._faults.report(participant_id, code, message)
            # While the stream drains, the client carries the reactions further. Joins without end would have answers
            # without end.
            if present is None and not self._is_draining and code is not FaultCode.TOO_MANY_JOINS:
                self._joins.end_carried(join)
            return
        if present is not None and resume is not None:
            resume = kept(resume, present.running, present.cooldowns)
        if present is not None:
            handed_over = () if resume is None else [each.reaction_id for each in resume.running]
            self._roster.depart(present, LeaveReason.REJOINED, handed_over)
        allowed = self._consent.known(labels)
        policy = ReactionPolicy(self._policy, allowed, self._ids)
        participant = Participant(
            participant_id, codec, extradata, policy, allowed, self._context, self._roster.on_idle
        )
        self._roster.add(participant)
        if resume is not None:
            participant.take_over(resume)
        self._consent.report_unknown(participant_id, labels)

    def allow(self, participant_id: str, labels: Sequence[str]) -> None:
        """The labels allowed have changed. Unknown ones are left out, and a fault names them."""
        participant = self._find(participant_id)
        if participant is None:
            return
        too_many = self._consent.too_many(labels)
        if too_many is not None:
            self._withdraw(participant, labels)
            self._faults.report(participant_id, *too_many)
            return
        participant.allow(self._consent.known(labels))
        self._consent.report_unknown(participant_id, labels)

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
        participant = self._find(participant_id)
        if participant is not None:
            self._roster.depart(participant, reason)
            self._rights.left()

    def end_quiet(self, now_s: float) -> None:
        """Ends reactions of participants whose frames have stopped, by the server's clock."""
        for participant in self._roster:
            participant.end_quiet(now_s)

    def frame(self, frame: EncodedFrame) -> None:
        """One access unit."""
        self.received += 1
        participant = self._roster.get(frame.participant_id)
        if self._is_draining:
            # Asked first: once the drain has ended, nobody is joined, but the client may not know it yet.
            self._roster.refuse(participant, DropReason.DRAINING)
        elif participant is None:
            self._roster.refuse(None, DropReason.UNKNOWN_PARTICIPANT)
            message = "expected a participant that joined this stream, got a frame of another"
            self._faults.report(
                frame.participant_id, FaultCode.UNKNOWN_PARTICIPANT, message, sequence=frame.sequence
            )
        else:
            participant.receive(frame)

    # Called by the server

    def drain(self, deadline_ms: int) -> None:
        """Takes no more frames, and sends `Draining`."""
        if not self._is_draining:
            self._is_draining = True
            self._sink.put(Draining(deadline_ms))

    def finish(self, reason: str, *, hands_over: bool = False) -> None:
        """All participants leave. Frames in flight still end and are counted. `hands_over`: reactions under way go on
        elsewhere if the client carries them there, and have no ENDED here.
        """
        hands_over = hands_over and self._settings.resume is not None
        for participant in self._roster:
            self._roster.depart(participant, reason, participant.running.values() if hands_over else ())
            self._rights.left()

    @property
    def is_idle(self) -> bool:
        """True while no frame of this stream is in flight."""
        return self._roster.is_idle

    def call_when_idle(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once no frame of this stream is in flight: at once, or after the last one has ended."""
        self._roster.call_when_idle(callback)

    async def settled(self) -> None:
        """Returns once no frame of this stream is in flight."""
        await self._roster.settled()

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
            for participant in self._roster:
                participant.use_policy(ReactionPolicy(self._policy, participant.allowed, self._ids))
        self._teaching.use(label, classifier)
        # Consent to a label that is gone is consent to nothing: no frame is decoded on its account.
        known = frozenset(self.reaction_labels)
        for participant in self._roster:
            if not participant.allowed <= known:
                participant.allow(participant.allowed & known)

    # Figures

    def statistics(self) -> list[ParticipantStatistics]:
        """The figures of each participant of this stream, those that left included."""
        return self._roster.statistics()

    def frame_counts(self) -> FrameCounts:
        """The frames of the whole stream, also those that name nobody who is joined: after a drain, nobody is."""
        return self._roster.frame_counts()

    def summary(self) -> SessionSummary:
        """The figures of the whole stream."""
        return self._roster.summary()

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
        return len(self._roster)

    # Internal

    @staticmethod
    def _withdraw(participant: Participant, labels: Sequence[str]) -> None:
        """Withdraws the consent to labels that are not in `labels`, even where the rest of the message is refused."""
        participant.allow(participant.allowed & frozenset(labels))

    def _find(self, participant_id: str) -> Participant | None:
        participant = self._roster.get(participant_id)
        if participant is None and not self._is_draining:
            message = "expected a participant that joined this stream, got an update of another"
            self._faults.report(participant_id, FaultCode.UNKNOWN_PARTICIPANT, message)
        return participant
