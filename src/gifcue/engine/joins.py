"""Which joins of a stream are refused, and why; and the end of what a refused join carries."""

from __future__ import annotations

from gifcue.bucket import TokenBucket
from gifcue.engine.carried import named
from gifcue.engine.consent import Consent
from gifcue.engine.participant import Participant
from gifcue.engine.rights import StreamRights
from gifcue.engine.stream_context import StreamContext
from gifcue.media.codecs import extradata_fault
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import FaultCode, LeaveReason
from gifcue.protocol.requests import Join
from gifcue.protocol.resume import participant_state_fault
from gifcue.reactions.reaction import ended_unseen

Problem = tuple[FaultCode, str]


class Joins:
    """Of one stream."""

    def __init__(self, stream: StreamContext, consent: Consent, rights: StreamRights) -> None:
        self._stream = stream
        self._consent = consent
        self._rights = rights
        limits = stream.limits
        self._bucket = TokenBucket(limits.joins_per_second, limits.joins_at_once)

    def problem(
        self, join: Join, present: Participant | None, count: int, *, is_draining: bool
    ) -> Problem | None:
        """Why a join is refused; None where it is not, and then it counts against the caller's quota.

        `present` is the participant that it replaces, `count` how many have joined.
        """
        problem = (
            self._rate_problem()
            or self._own_problem(join, is_draining=is_draining)
            or self._room_problem(present, count)
        )
        # Last: a join that is refused for another reason takes nothing of the caller's quota.
        return problem or self._rights.admit_join(is_new=present is None)

    def end_carried(self, join: Join) -> None:
        """A join was refused: ends the reactions that it carries, as they go on nowhere. It ends no more of them than
        this server has labels.
        """
        limit = self._stream.limits.max_name_bytes
        if join.resume is None or name_fault(join.participant_id, limit):
            return
        events = [
            ended_unseen(each.label, each.reaction_id, 0.0, LeaveReason.REFUSED)
            for each in named(join.resume, limit)[: len(self._stream.pipeline.model.labels)]
        ]
        self._stream.publisher.publish(self._stream.audience, join.participant_id, events, None, 0.0)

    def _rate_problem(self) -> Problem | None:
        if self._bucket.take(self._stream.clock()):
            return None
        message = (
            f"expected at most {self._stream.limits.joins_per_second:g} joins a second on a stream: "
            f"try again in {self._bucket.next_in_s:.1f} s"
        )
        return FaultCode.TOO_MANY_JOINS, message

    def _own_problem(self, join: Join, *, is_draining: bool) -> Problem | None:
        """What is wrong with the message itself."""
        if is_draining:
            message = "expected no join after `drain`, got one: this stream drains, join on a new one"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        limits = self._stream.limits
        if (wrong := name_fault(join.participant_id, limits.max_name_bytes)) is not None:
            return FaultCode.INVALID_ARGUMENT, wrong
        if join.codec is None:
            names = ", ".join(each.name for each in Codec)
            return FaultCode.UNSUPPORTED_CODEC, f"expected one of {names}, got a codec that is none of them"
        size = len(join.extradata)
        if size > limits.max_extradata_bytes:
            message = f"expected at most {limits.max_extradata_bytes} bytes of extradata, got {size}"
            return FaultCode.INVALID_EXTRADATA, message
        if (wrong := extradata_fault(join.codec, join.extradata)) is not None:
            return FaultCode.INVALID_EXTRADATA, wrong
        if join.resume is not None:
            wrong = participant_state_fault(join.resume, limits.max_name_bytes)
            if wrong is not None:
                return FaultCode.INVALID_ARGUMENT, wrong
        return self._consent.too_many(join.allowed_labels)

    def _room_problem(self, present: Participant | None, count: int) -> Problem | None:
        """Why the server has no room for the participant."""
        limits, pipeline = self._stream.limits, self._stream.pipeline
        if pipeline.is_overloaded and (present is None or present.is_paused):
            message = (
                "expected a server that decodes in time, it has more to decode: try again in a few seconds"
            )
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        if present is not None:
            return None
        if count >= limits.max_participants_per_stream:
            message = f"expected at most {limits.max_participants_per_stream} participants on a stream"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        most = limits.most_participants
        if pipeline.participant_count >= most:
            message = f"expected at most {most} participants on this server: try again in a few seconds"
            return FaultCode.TOO_MANY_PARTICIPANTS, message
        return None


def name_fault(participant_id: str, max_bytes: int) -> str | None:
    """What is wrong with a participant's name; None where nothing is."""
    size = len(participant_id.encode())
    if 0 < size <= max_bytes:
        return None
    return f"expected a participant's name of 1 to {max_bytes} bytes, got {size}"
