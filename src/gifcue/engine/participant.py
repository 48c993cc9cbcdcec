"""One participant: its frames in the pipeline, and its reactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gifcue.detect.regions import Region
from gifcue.engine.accounting import FrameAccounting
from gifcue.engine.admission import Admission, Refusal
from gifcue.engine.decisions import DecisionDetails, decision_of
from gifcue.engine.dismissals import Dismissals
from gifcue.engine.faults import FaultReporter
from gifcue.engine.latency import RECENT
from gifcue.engine.media_time import MediaTime
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Audience, Publisher
from gifcue.engine.quarantine import StreamQuarantine
from gifcue.engine.quiet import QuietWatch
from gifcue.engine.settings import LimitSettings
from gifcue.engine.standing import Standing
from gifcue.engine.tally import Tally
from gifcue.engine.teaching import StreamTeaching
from gifcue.engine.throttle import Throttle
from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import StreamLongUnits
from gifcue.media.suspects import Incident
from gifcue.percentiles import RecentValues
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.protocol.events import KeyframeRequested, SlowDown
from gifcue.protocol.reasons import (
    FAULT_CODES,
    SLOW_DOWN_REASONS,
    DropReason,
    FaultCode,
    KeyframeReason,
    SkipReason,
)
from gifcue.protocol.requests import EncodedFrame
from gifcue.protocol.statistics import ParticipantStatistics
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.policy import ReactionPolicy

# Frames a second that suit a participant whose video overran its limits.
SLOW_DOWN_FPS = 15.0


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What the participants of one stream share. `clock` is in seconds, the same as the pipeline's. `session_id` and
    `peer` are for logs. `decisions` is None where the stream wants none.
    """

    session_id: str
    peer: str
    quarantine: StreamQuarantine
    pipeline: Pipeline
    publisher: Publisher
    audience: Audience
    faults: FaultReporter
    tally: Tally
    limits: LimitSettings
    clock: Callable[[], float]
    decisions: DecisionDetails | None
    teaching: StreamTeaching
    long_units: StreamLongUnits = field(default_factory=StreamLongUnits)


class Participant:
    """Owned by one session, from its join until its last frame has ended; listens to the pipeline for its frames.

    `on_idle` is called whenever the last frame in flight has ended, after its events were put into the sink.
    """

    def __init__(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes,
        policy: ReactionPolicy,
        allowed: frozenset[str],
        stream: StreamContext,
        on_idle: Callable[[Participant], None],
    ) -> None:
        self.participant_id = participant_id
        self._policy = policy
        self._quiet = QuietWatch(policy)
        self._allowed = allowed
        self._stream = stream
        self._on_idle = on_idle
        self._admission = Admission(codec, stream.limits)
        self._media_time = MediaTime()
        self._accounting = FrameAccounting()
        self._latencies_ms = RecentValues(RECENT)
        self._requests = Throttle(stream.limits.keyframe_request_interval_s, stream.clock)
        self._tokens = 0
        self._reactions = 0
        self._dismissals = Dismissals()
        self._has_left = False
        self._is_paused = False
        self._wants_landmarks = stream.decisions is not None and stream.decisions.landmarks
        self._last_decided: FrameInFlight | None = None
        # The frame last skipped as similar to a picture whose analysis is not finished: it inherits that result.
        self._pending_similar: FrameInFlight | None = None
        self._standing = Standing(
            participant_id, stream.quarantine, stream.clock, session_id=stream.session_id, peer=stream.peer
        )
        self.key = stream.pipeline.open(
            self, codec, extradata, worker=self._standing.worker, long_units=stream.long_units
        )

    @property
    def allowed(self) -> frozenset[str]:
        """The labels allowed."""
        return self._allowed

    @property
    def is_paused(self) -> bool:
        """True while the server has no time to decode this participant."""
        return self._is_paused

    @property
    def is_idle(self) -> bool:
        """True while no frame is in flight."""
        return self._accounting.is_idle

    @property
    def frames(self) -> FrameCounts:
        """The frames as they stand."""
        return self._accounting.statistics()

    @property
    def reactions(self) -> int:
        """Reactions that started."""
        return self._reactions

    # Called by the session

    def allow(self, labels: frozenset[str]) -> None:
        """Changes the labels allowed; reactions of those that no longer are end."""
        was_allowed = bool(self._allowed)
        self._allowed = labels
        if not labels:
            # `start_over` below makes the decoder forget its pictures, so the next frame must be a keyframe.
            self._admission.await_keyframe()
        self._publish_update(self._policy.set_allowed(labels, self._newest_decision_s))
        if was_allowed and not labels:
            self._stream.pipeline.start_over(self.key)
        elif labels and not was_allowed:
            self._request_keyframe(KeyframeReason.ALLOWED.value)

    def set_speaking(self, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        self._publish_update(self._policy.set_speaking(speaking, self._newest_decision_s))

    def use_policy(self, policy: ReactionPolicy) -> None:
        """Takes another policy; reactions under way end."""
        at_s = self._newest_decision_s
        self._publish_update(self._policy.finish(at_s, EndReason.NOT_ALLOWED))
        # Whether the participant speaks is no matter of the policy.
        policy.set_speaking(self._policy.is_speaking, at_s)
        self._policy = policy
        self._quiet = QuietWatch(policy)

    def dismiss(self, reaction_id: str) -> None:
        """A reaction that started was not meant. It ends if it is under way, and its label's cooldown begins."""
        stream = self._stream
        try:
            label = self._dismissals.take(reaction_id)
        except ValueError as error:
            stream.faults.report(self.participant_id, FaultCode.INVALID_ARGUMENT, str(error))
            return
        stream.publisher.dismissed(label)
        self._publish_update(self._policy.dismiss(label, reaction_id, self._newest_decision_s))

    def receive(self, frame: EncodedFrame) -> None:
        """Counts a frame, and sends it to the decoder unless it is refused."""
        clock_hz = frame.clock_hz or RTP_CLOCK_HZ
        pts_s = self._media_time.seconds(frame.pts, clock_hz)
        pipeline = self._stream.pipeline
        now_s = self._stream.clock()
        refusal = self._admission.check(
            frame,
            pts_s,
            now_s,
            backlog=pipeline.backlog(self.key),
            is_allowed=bool(self._allowed),
            is_paused=self._is_paused,
            quarantine=self._standing.why_refused(),
        )
        if refusal is not None:
            self._accounting.refuse(refusal.reason)
            self._report_refusal(frame, refusal)
            return
        self._tokens += 1
        in_flight = FrameInFlight(
            self.key,
            self._tokens,
            frame.sequence,
            frame.pts,
            clock_hz,
            pts_s,
            len(frame.payload),
            now_s,
            rotation=frame.rotation,
            temporal_layer=frame.temporal_layer,
            wants_landmarks=self._wants_landmarks or self._stream.teaching.needs_landmarks,
        )
        # Counted before it is submitted: from then on the pipeline may end it.
        self._accounting.open(in_flight)
        pipeline.submit(in_flight, frame.payload)

    def refuse(self, reason: DropReason) -> None:
        """A frame arrived that is dropped without a check."""
        self._accounting.refuse(reason)

    def leave(self, reason: str) -> None:
        """The participant's video ends, and its reactions with it. Frames in flight are finished without effect."""
        self._publish_update(self._policy.finish(self._newest_decision_s, reason))
        self._has_left = True
        self._stream.pipeline.close(self.key)

    def end_quiet(self, now_s: float) -> None:
        """Ends reactions for which no result came for too long, by the server's clock."""
        events = self._quiet.look(now_s)
        if events:
            self._publish_update(events)
            self._follow_hold()

    def statistics(self) -> ParticipantStatistics:
        """The participant's figures as they stand."""
        return ParticipantStatistics(
            self.participant_id,
            self.frames,
            self._reactions,
            *self._latencies_ms.percentiles(0.50, 0.95),
        )

    # Called by the pipeline (FrameListener). A frame is counted first, because what follows asks the accounting whether
    # a picture is still being detected. Where the frame ends, `_after_end` comes last.

    def decoded(self, frame: FrameInFlight) -> None:
        self._accounting.decoded(frame)

    def skipped(self, frame: FrameInFlight, reason: SkipReason) -> None:
        self._accounting.skip(frame, reason)
        if not self._has_left:
            if reason is SkipReason.SIMILAR:
                if self._accounting.is_detecting:
                    self._pending_similar = frame
                else:
                    self._decide(frame, self._policy.inherit(frame.pts_s))
            self._follow_hold()
        self._after_end()

    def judged(self, frame: FrameInFlight, regions: Sequence[Region]) -> None:
        self._accounting.analysed(frame)
        self._latencies_ms.record(frame.latency_ms)
        # Consent may have been taken back while the frame was with a worker. Nothing of it is told then.
        is_followed = bool(self._allowed) and not self._has_left
        regions = self._stream.teaching.observe(self.participant_id, frame, regions) if is_followed else ()
        events = [] if self._has_left else self._policy.observe(regions, frame.pts_s)
        if self._stream.decisions is not None:
            # Before the reactions of the same frame.
            self._send_decision(frame, regions, self._stream.decisions)
        if not self._has_left:
            self._decide(frame, events)
            similar = self._take_pending_similar()
            if similar is not None and similar.pts_s > frame.pts_s:
                # The result that it inherits is known as of this moment.
                similar.decided_s = frame.decided_s
                self._decide(similar, self._policy.inherit(similar.pts_s))
            self._follow_hold()
        self._after_end()

    def dropped(
        self, frame: FrameInFlight, reason: DropReason, message: str, *, needs_keyframe: bool
    ) -> None:
        self._accounting.drop(frame, reason)
        # What was skipped as similar to a lost picture has nothing to inherit.
        self._take_pending_similar()
        if not self._has_left:
            code = FAULT_CODES.get(reason)
            if code is not None:
                self._stream.faults.report(self.participant_id, code, message, sequence=frame.sequence)
            if reason in SLOW_DOWN_REASONS:
                self._ask_to_slow_down(reason)
            if needs_keyframe:
                self._admission.await_keyframe()
                self._request_keyframe(reason.value)
        self._after_end()

    def slow_down(self) -> None:
        if not self._has_left:
            self._ask_to_slow_down(DropReason.OVERLOAD)

    def pause(self) -> None:
        self._is_paused = True
        self._admission.await_keyframe()

    def resume(self) -> None:
        self._is_paused = False
        if not self._has_left:
            self._request_keyframe(DropReason.OVERLOAD.value)

    def suspected(self, incident: Incident) -> None:
        # Also of a participant that has left: it may join again.
        is_refused = self._standing.accuse(incident)
        if self._has_left:
            return
        faults = self._stream.faults
        if not incident.is_fatal:
            faults.report(self.participant_id, FaultCode.TOO_EXPENSIVE, incident.reason)
        if is_refused:
            message = self._standing.why_refused()
            faults.report(self.participant_id, FaultCode.QUARANTINED, message)
            self._admission.await_keyframe()
            self._stream.pipeline.quarantine(self.key, message)

    def decoder_lost(self) -> None:
        self._is_paused = False
        self._admission.await_keyframe()
        self._request_keyframe(DropReason.DECODE_WORKER_LOST.value)

    # Internal

    @property
    def _newest_decision_s(self) -> float:
        """The time of the newest decision, by the sender's clock."""
        return self._last_decided.pts_s if self._last_decided is not None else 0.0

    def _send_decision(
        self, frame: FrameInFlight, regions: Sequence[Region], details: DecisionDetails
    ) -> None:
        unmet = self._policy.explain() if details.unmet and not self._has_left else ()
        self._stream.audience.sink.put(
            decision_of(self.participant_id, frame, details, regions, unmet, self._policy.min_score)
        )

    def _take_pending_similar(self) -> FrameInFlight | None:
        """The frame that waits for a result to inherit; None while a picture is still being detected."""
        if self._accounting.is_detecting:
            return None
        similar, self._pending_similar = self._pending_similar, None
        return similar

    def _decide(self, frame: FrameInFlight, events: list[PolicyEvent]) -> None:
        """Publishes what the policy decided on a frame."""
        self._last_decided = frame
        self._quiet.decided(frame.decided_s)
        if events:
            stream = self._stream
            self._dismissals.note(events)
            self._reactions += stream.publisher.publish(
                stream.audience, self.participant_id, events, frame, frame.latency_ms
            )

    def _publish_update(self, events: list[PolicyEvent]) -> None:
        """Publishes events that a message caused. They carry the numbers of the newest frame and a latency of 0."""
        if events:
            frame = self._last_decided
            assert frame is not None, "expected no event before a frame was decided upon"
            self._stream.publisher.publish(self._stream.audience, self.participant_id, events, frame, 0.0)

    def _follow_hold(self) -> None:
        """Informs the similar-frame filter whether a hold runs: it must not skip meanwhile."""
        self._stream.pipeline.set_hold(self.key, self._policy.holding or self._stream.teaching.is_watched)

    def _report_refusal(self, frame: EncodedFrame, refusal: Refusal) -> None:
        code = FAULT_CODES.get(refusal.reason)
        if code is not None:
            self._stream.faults.report(self.participant_id, code, refusal.message, sequence=frame.sequence)
        if refusal.reason in SLOW_DOWN_REASONS:
            self._ask_to_slow_down(refusal.reason)
        if refusal.reason is not DropReason.QUARANTINED:
            self._request_keyframe(refusal.reason.value)

    def _ask_to_slow_down(self, reason: DropReason) -> None:
        if self._requests.admit(SlowDown):
            self._stream.audience.sink.put(SlowDown(self.participant_id, SLOW_DOWN_FPS, reason.value))

    def _request_keyframe(self, reason: str) -> None:
        """Asks for a keyframe where one is awaited, and not more often than the limits say."""
        if not self._allowed or self._is_paused:
            return
        if self._admission.awaits_keyframe and self._requests.admit(KeyframeRequested):
            self._stream.tally.keyframe_requests += 1
            self._stream.audience.sink.put(KeyframeRequested(self.participant_id, reason))

    def _after_end(self) -> None:
        # Called last: the session may forget this participant in `on_idle`.
        if self._accounting.is_idle:
            self._on_idle(self)
