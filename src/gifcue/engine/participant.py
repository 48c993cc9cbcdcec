"""One participant: what it may send, what became of it, what it is doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gifcue.detect.regions import Region
from gifcue.engine.accounting import FrameAccounting, Ticket
from gifcue.engine.gate import KeyframeGate, RateGate
from gifcue.engine.latency import RecentLatencies
from gifcue.engine.settings import LimitSettings
from gifcue.media.codecs import Codec, is_keyframe
from gifcue.protocol.events import ParticipantStatistics
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.policy import ReactionPolicy

DEFAULT_CLOCK_HZ = 90_000  # RTP's clock of video


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One access unit as it arrived. `pts` in ticks of `clock_hz`; `keyframe` is the sender's word."""

    participant_id: str
    sequence: int
    pts: int
    clock_hz: int
    keyframe: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A frame that goes no further, and why in words."""

    reason: DropReason
    message: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What the policy made of a frame: `ticket` is the deciding frame's."""

    ticket: Ticket
    events: list[PolicyEvent]


class Participant:
    """Owned by one session. `key` is the number it has with the worker pools, never used again."""

    def __init__(
        self,
        key: int,
        participant_id: str,
        codec: Codec,
        policy: ReactionPolicy,
        allowed: frozenset[str],
        limits: LimitSettings,
        clock: Callable[[], float],
    ) -> None:
        self.key = key
        self.participant_id = participant_id
        self.codec = codec
        self.ledger = FrameAccounting()
        self.gate = KeyframeGate(intra_only=codec.is_intra_only)
        self.policy = policy
        self._allowed = allowed
        self._limits = limits
        self._clock = clock
        self._rate = RateGate(limits.max_fps)
        self._latency = RecentLatencies()
        self._next_token = 0
        self._reactions = 0
        self._last_keyframe_request_s = -float("inf")
        self.is_held = False  # what the decode worker was last told of `policy.holding`
        self.media_time_s = 0.0  # the newest decision's time, by the sender's clock
        self.last_decided: Ticket | None = None  # the frame of the newest decision
        # Pictures on their way to a judgement, by token, in the order of arrival, and the frame last skipped as similar
        # to the newest of them: it inherits a result that is not there yet.
        self._pending: dict[int, float] = {}
        self._heir: tuple[Ticket, float] | None = None

    @property
    def allowed(self) -> frozenset[str]:
        """The labels allowed."""
        return self._allowed

    @property
    def is_allowed(self) -> bool:
        """True when any label is allowed: without, nothing of this participant is decoded."""
        return bool(self._allowed)

    def allow(self, labels: frozenset[str]) -> list[PolicyEvent]:
        """Changes the labels allowed; reactions of those that no longer are end."""
        self._allowed = labels
        if not labels:
            # What its decoder had is gone by the next frame.
            self.gate.close()
        return self.policy.set_allowed(labels, self.media_time_s)

    def admit(self, frame: EncodedFrame, buffered_bytes: int) -> Ticket | Refusal:
        """Opens a ticket for a frame, or refuses it; either way it is in the books.

        `buffered_bytes` is what already waits for this participant's decoder.
        """
        refusal = self._judge(frame, buffered_bytes)
        if refusal is not None:
            self.ledger.refuse(refusal.reason)
            return refusal
        self._next_token += 1
        ticket = Ticket(
            self._next_token, frame.sequence, frame.pts, frame.clock_hz or DEFAULT_CLOCK_HZ, self._clock()
        )
        self.ledger.open(ticket)
        return ticket

    def _judge(self, frame: EncodedFrame, buffered_bytes: int) -> Refusal | None:
        size = len(frame.payload)
        # Where it matters, the bytes are asked and not the sender: some never set the flag, some set it always.
        is_asked = frame.keyframe or self.gate.is_waiting or not self.gate.follows(frame.sequence)
        keyframe = is_asked and size > 0 and is_keyframe(self.codec, frame.payload)
        verdict = self.gate.judge(frame.sequence, keyframe=keyframe)
        refusal: Refusal | None = None
        if not self.is_allowed:
            refusal = Refusal(DropReason.NOT_ALLOWED, "no label is allowed for this participant")
        elif size == 0:
            refusal = Refusal(DropReason.EMPTY_PAYLOAD, "expected an encoded access unit, got 0 bytes")
        elif size > self._limits.max_frame_bytes:
            refusal = Refusal(
                DropReason.FRAME_TOO_LARGE,
                f"expected at most {self._limits.max_frame_bytes} bytes a frame, got {size}",
            )
        elif not self._rate.admits(frame.pts / (frame.clock_hz or DEFAULT_CLOCK_HZ)):
            refusal = Refusal(
                DropReason.RATE_LIMIT, f"expected at most {self._limits.max_fps} frames a second"
            )
        elif verdict.drop is None and buffered_bytes + size > self._limits.max_buffered_bytes:
            refusal = Refusal(
                DropReason.OVERLOAD,
                f"expected at most {self._limits.max_buffered_bytes} bytes waiting for the decoder, "
                f"got {buffered_bytes + size}",
            )
        if refusal is not None:
            # The decoder never sees this frame, so it must not see the ones that build on it.
            self.gate.close()
            return refusal
        if verdict.drop is DropReason.SEQUENCE_GAP:
            return Refusal(verdict.drop, f"sequence number {frame.sequence} does not follow the one before")
        if verdict.drop is not None and frame.keyframe:
            message = (
                f"expected a keyframe of {self.codec.name} as its flag says, got bytes that begin like none"
            )
            return Refusal(DropReason.INVALID_DATA, message)
        if verdict.drop is not None:
            return Refusal(verdict.drop, "waiting for a keyframe")
        return None

    def wants_keyframe_now(self) -> bool:
        """True when a keyframe is to be asked for, and not more often than the limits say."""
        now_s = self._clock()
        if (
            not self.gate.is_waiting
            or not self.is_allowed
            or now_s - self._last_keyframe_request_s < self._limits.keyframe_request_interval_s
        ):
            return False
        self._last_keyframe_request_s = now_s
        return True

    def picture_pending(self, ticket: Ticket, pts_s: float) -> None:
        """A picture of this frame goes to the detectors; `pts_s` is the picture's own time."""
        self._pending[ticket.token] = pts_s

    def skipped(self, token: int, reason: SkipReason, pts_s: float) -> Decided:
        """A frame was skipped: where it is similar, it inherits the last result."""
        ticket = self.ledger.skip(token, reason)
        if reason is not SkipReason.SIMILAR:
            return Decided(ticket, [])
        if self._pending:
            self._heir = (ticket, pts_s)
            return Decided(ticket, [])
        return self._decided(ticket, self.policy.inherit(pts_s), pts_s)

    def judged(self, token: int, regions: Sequence[Region]) -> list[Decided]:
        """A detector judged a frame: the policy's decisions on it, and on the frame that inherits from it."""
        ticket = self.ledger.analysed(token)
        pts_s = self._pending.pop(token, ticket.pts_s)
        self._latency.record((self._clock() - ticket.arrived_s) * 1000.0)
        decided = [self._decided(ticket, self.policy.observe(regions, pts_s), pts_s)]
        heir = self._take_heir()
        if heir is not None and heir[1] > pts_s:
            decided.append(self._decided(heir[0], self.policy.inherit(heir[1]), heir[1]))
        return decided

    def dropped(self, token: int, reason: DropReason) -> Ticket:
        """A frame was lost to analysis."""
        self._pending.pop(token, None)
        # What was skipped as similar to a lost picture has nothing to inherit.
        self._take_heir()
        return self.ledger.drop(token, reason)

    def latency_ms(self, ticket: Ticket) -> float:
        """Milliseconds since the frame arrived."""
        return (self._clock() - ticket.arrived_s) * 1000.0

    def statistics(self) -> ParticipantStatistics:
        """The participant's figures as they stand."""
        return ParticipantStatistics(
            self.participant_id, self.ledger.statistics(), self._reactions, *self._latency.percentiles_ms()
        )

    def _take_heir(self) -> tuple[Ticket, float] | None:
        if self._pending:
            return None
        heir, self._heir = self._heir, None
        return heir

    def _decided(self, ticket: Ticket, events: list[PolicyEvent], at_s: float) -> Decided:
        self.media_time_s = at_s
        self.last_decided = ticket
        self._reactions += sum(event.phase is Phase.STARTED for event in events)
        return Decided(ticket, events)
