"""One participant: its frames in the pipeline, and its reactions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from gifcue.detect.regions import Region
from gifcue.engine.accounting import FrameAccounting
from gifcue.engine.admission import Admission, Refusal
from gifcue.engine.asking import Asking
from gifcue.engine.latency import RECENT
from gifcue.engine.media_time import MediaTime
from gifcue.engine.reacting import Reacting
from gifcue.engine.standing import Standing
from gifcue.engine.stream_context import StreamContext
from gifcue.media.frame import FrameInFlight
from gifcue.media.suspects import Incident
from gifcue.percentiles import RecentValues
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.protocol.reasons import (
    FAULT_CODES,
    SLOW_DOWN_REASONS,
    DropReason,
    FaultCode,
    KeyframeReason,
    SkipReason,
)
from gifcue.protocol.requests import EncodedFrame
from gifcue.protocol.resume import ParticipantState
from gifcue.protocol.statistics import ParticipantStatistics
from gifcue.reactions.policy import ReactionPolicy


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
        self._reacting = Reacting(participant_id, policy, stream)
        self._allowed = allowed
        self._stream = stream
        self._on_idle = on_idle
        self._admission = Admission(codec, stream.limits)
        self._media_time = MediaTime()
        self._accounting = FrameAccounting()
        self._latencies_ms = RecentValues(RECENT)
        self._asking = Asking(participant_id, stream)
        self._tokens = 0
        self._has_left = False
        self._is_paused = False
        self._wants_landmarks = stream.decisions is not None and stream.decisions.landmarks
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
        return self._reacting.count

    @property
    def running(self) -> dict[str, str]:
        """The id of each reaction that has started and not ended, by label."""
        return self._reacting.running

    @property
    def cooldowns(self) -> dict[str, float]:
        """Seconds that are left of each label's cooldown."""
        return self._reacting.cooldowns

    # Called by the session

    def take_over(self, state: ParticipantState) -> None:
        """Goes on from another server. Called once, right after the join."""
        self._reacting.take_over(state, self._allowed)
        self._follow_hold()

    def allow(self, labels: frozenset[str]) -> None:
        """Changes the labels allowed; reactions of those that no longer are end."""
        was_allowed = bool(self._allowed)
        self._allowed = labels
        if not labels:
            # `start_over` below makes the decoder forget its pictures, so the next frame must be a keyframe.
            self._admission.await_keyframe()
        self._reacting.set_allowed(labels)
        if was_allowed and not labels:
            self._stream.pipeline.start_over(self.key)
        elif labels and not was_allowed:
            self._request_keyframe(KeyframeReason.ALLOWED.value)

    def set_speaking(self, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        self._reacting.set_speaking(speaking)

    def use_policy(self, policy: ReactionPolicy) -> None:
        """Takes another policy; reactions under way end."""
        self._reacting.use_policy(policy)

    def dismiss(self, reaction_id: str) -> None:
        """A reaction that started was not meant. It ends if it is under way, and its label's cooldown begins."""
        self._reacting.dismiss(reaction_id)

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

    def leave(self, reason: str, handed_over: Collection[str] = ()) -> None:
        """The participant's video ends, and its reactions with it, but for those with an id in `handed_over`. Frames in
        flight are finished without effect.
        """
        self._reacting.finish(reason, handed_over)
        self._has_left = True
        self._stream.pipeline.close(self.key)

    def end_quiet(self, now_s: float) -> None:
        """Ends reactions for which no result came for too long, by the server's clock."""
        if self._reacting.end_quiet(now_s):
            self._follow_hold()

    def statistics(self) -> ParticipantStatistics:
        """The participant's figures as they stand."""
        return ParticipantStatistics(
            self.participant_id,
            self.frames,
            self.reactions,
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
                self._reacting.similar(frame, is_detecting=self._accounting.is_detecting)
            self._follow_hold()
        self._after_end()

    def judged(self, frame: FrameInFlight, regions: Sequence[Region]) -> None:
        self._accounting.analysed(frame)
        self._latencies_ms.record(frame.latency_ms)
        # Consent may have been taken back while the frame was with a worker. Nothing of it is told then.
        is_followed = bool(self._allowed) and not self._has_left
        regions = self._stream.teaching.observe(self.participant_id, frame, regions) if is_followed else ()
        is_detecting = self._accounting.is_detecting
        self._reacting.judged(frame, regions, has_left=self._has_left, is_detecting=is_detecting)
        if not self._has_left:
            self._follow_hold()
        self._after_end()

    def dropped(
        self, frame: FrameInFlight, reason: DropReason, message: str, *, needs_keyframe: bool
    ) -> None:
        self._accounting.drop(frame, reason)
        self._reacting.lost(is_detecting=self._accounting.is_detecting)
        if not self._has_left:
            code = FAULT_CODES.get(reason)
            if code is not None:
                self._stream.faults.report(self.participant_id, code, message, sequence=frame.sequence)
            if reason in SLOW_DOWN_REASONS:
                self._asking.for_less(reason)
            if needs_keyframe:
                self._admission.await_keyframe()
                self._request_keyframe(reason.value)
        self._after_end()

    def slow_down(self) -> None:
        if not self._has_left:
            self._asking.for_less(DropReason.OVERLOAD)

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

    def _follow_hold(self) -> None:
        """Informs the similar-frame filter whether a hold runs: it must not skip meanwhile."""
        self._stream.pipeline.set_hold(self.key, self._reacting.holding or self._stream.teaching.is_watched)

    def _report_refusal(self, frame: EncodedFrame, refusal: Refusal) -> None:
        code = FAULT_CODES.get(refusal.reason)
        if code is not None:
            self._stream.faults.report(self.participant_id, code, refusal.message, sequence=frame.sequence)
        if refusal.reason in SLOW_DOWN_REASONS:
            self._asking.for_less(refusal.reason)
        if refusal.reason is not DropReason.QUARANTINED:
            self._request_keyframe(refusal.reason.value)

    def _request_keyframe(self, reason: str) -> None:
        """Asks for a keyframe where one is awaited."""
        if self._allowed and not self._is_paused and self._admission.awaits_keyframe:
            self._asking.for_keyframe(reason)

    def _after_end(self) -> None:
        # Called last: the session may forget this participant in `on_idle`.
        if self._accounting.is_idle:
            self._on_idle(self)
