"""The reactions of one participant: its policy, what the policy decides, and who hears of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gifcue.detect.regions import Region
from gifcue.engine.carried import claims_of
from gifcue.engine.decisions import DecisionDetails, decision_of
from gifcue.engine.dismissals import Dismissals
from gifcue.engine.quiet import QuietWatch
from gifcue.engine.stream_context import StreamContext
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.resume import ParticipantState
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.rules.claims import NO_CLAIMS, Claims


class Reacting:
    """Owned by one participant. A frame skipped as similar waits here for the result that it inherits."""

    def __init__(self, participant_id: str, policy: ReactionPolicy, stream: StreamContext) -> None:
        self._participant_id = participant_id
        self._policy = policy
        self._quiet = QuietWatch(policy)
        self._stream = stream
        self._dismissals = Dismissals()
        self._claims: Claims = NO_CLAIMS
        self._count = 0
        self._last_decided: FrameInFlight | None = None
        # The frame last skipped as similar to a picture whose analysis is not finished: it inherits that result.
        self._pending_similar: FrameInFlight | None = None

    @property
    def count(self) -> int:
        """Reactions that started here."""
        return self._count

    @property
    def holding(self) -> bool:
        """True while the next frame must be analysed."""
        return self._policy.holding

    @property
    def running(self) -> dict[str, str]:
        """The id of each reaction that has started and not ended, by label."""
        return self._policy.running

    @property
    def cooldowns(self) -> dict[str, float]:
        """Seconds that are left of each label's cooldown."""
        return self._policy.cooldowns(self._newest_decision_s)

    # Called for messages

    def take_over(self, state: ParticipantState, allowed: Collection[str]) -> None:
        """Goes on from another server. Called once, right after the join."""
        now_s = self._stream.clock()
        self._claims = claims_of(state.gif_cooldowns, now_s)
        for each in state.running:
            if each.label in allowed:
                self._dismissals.know(each.reaction_id, each.label)
        running = {each.label: each.reaction_id for each in state.running}
        cooldowns = {each.label: each.remaining_ms / 1000 for each in state.cooldowns}
        events = self._policy.take_over(running, cooldowns)
        if self._policy.is_under_way:
            self._quiet.resumed(now_s)
        self._publish_update(events)

    def set_allowed(self, labels: frozenset[str]) -> None:
        """Changes the labels allowed; reactions of those that no longer are end."""
        self._publish_update(self._policy.set_allowed(labels, self._newest_decision_s))

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
            stream.faults.report(self._participant_id, FaultCode.INVALID_ARGUMENT, str(error))
            return
        stream.publisher.dismissed(label)
        self._publish_update(self._policy.dismiss(label, reaction_id, self._newest_decision_s))

    def finish(self, reason: str, handed_over: Collection[str] = ()) -> None:
        """Ends what is under way, but for the reactions with an id in `handed_over`, which go on elsewhere."""
        self._publish_update(self._policy.finish(self._newest_decision_s, reason, handed_over))

    def end_quiet(self, now_s: float) -> bool:
        """Ends what has waited too long for a result, by the server's clock; True where anything has."""
        events = self._quiet.look(now_s)
        self._publish_update(events)
        return bool(events)

    # Called for frames

    def similar(self, frame: FrameInFlight, *, is_detecting: bool) -> None:
        """A frame was skipped as similar. `is_detecting`: the result that it inherits is still to come."""
        if is_detecting:
            self._pending_similar = frame
        else:
            self._decide(frame, self._policy.inherit(frame.pts_s))

    def judged(
        self, frame: FrameInFlight, regions: Sequence[Region], *, has_left: bool, is_detecting: bool
    ) -> None:
        """A frame was analysed. `is_detecting`: another picture still is."""
        events = [] if has_left else self._policy.observe(regions, frame.pts_s)
        if self._stream.decisions is not None:
            # Before the reactions of the same frame.
            self._send_decision(frame, regions, self._stream.decisions, has_left=has_left)
        if has_left:
            return
        self._decide(frame, events)
        similar = self._take_pending_similar(is_detecting=is_detecting)
        if similar is not None and similar.pts_s > frame.pts_s:
            # The result that it inherits is known as of this moment.
            similar.decided_s = frame.decided_s
            self._decide(similar, self._policy.inherit(similar.pts_s))

    def lost(self, *, is_detecting: bool) -> None:
        """A frame was dropped: what was skipped as similar to a lost picture has nothing to inherit."""
        self._take_pending_similar(is_detecting=is_detecting)

    # Internal

    @property
    def _newest_decision_s(self) -> float:
        """The time of the newest decision, by the sender's clock; 0 before the first."""
        return self._last_decided.pts_s if self._last_decided is not None else 0.0

    def _send_decision(
        self, frame: FrameInFlight, regions: Sequence[Region], details: DecisionDetails, *, has_left: bool
    ) -> None:
        unmet = self._policy.explain() if details.unmet and not has_left else ()
        self._stream.audience.sink.put(
            decision_of(self._participant_id, frame, details, regions, unmet, self._policy.min_score)
        )

    def _take_pending_similar(self, *, is_detecting: bool) -> FrameInFlight | None:
        """The frame that waits for a result to inherit; None while a picture is still being detected."""
        if is_detecting:
            return None
        similar, self._pending_similar = self._pending_similar, None
        return similar

    def _decide(self, frame: FrameInFlight, events: list[PolicyEvent]) -> None:
        """Publishes what the policy decided on a frame."""
        self._last_decided = frame
        self._quiet.decided(frame.decided_s)
        if events:
            self._dismissals.note(events)
            self._count += self._publish(events, frame.latency_ms)

    def _publish_update(self, events: list[PolicyEvent]) -> None:
        """Publishes events that a message caused. They carry the numbers of the newest frame and a latency of 0."""
        if events:
            self._publish(events, 0.0)

    def _publish(self, events: list[PolicyEvent], latency_ms: float) -> int:
        stream = self._stream
        return stream.publisher.publish(
            stream.audience, self._participant_id, events, self._last_decided, latency_ms, self._claims
        )
