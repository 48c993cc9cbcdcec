"""Protobuf ↔ dataclasses. Converts, decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from gifcue.detect.detector import ModelInfo
from gifcue.engine.admission import EncodedFrame
from gifcue.errors import ConfigError
from gifcue.media.codecs import Codec
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.events import (
    Draining,
    Fault,
    FrameDecided,
    Gif,
    KeyframeRequested,
    ParticipantStatistics,
    Reaction,
    SlowDown,
)
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.settings import SUBJECTS, SubjectPolicy
from gifcue.server.outbox import Outgoing, StatisticsAnswer
from gifcue.v1 import media_pb2, reaction_service_pb2

_PHASES = {
    Phase.HOLDING: reaction_service_pb2.PHASE_HOLDING,
    Phase.STARTED: reaction_service_pb2.PHASE_STARTED,
    Phase.ENDED: reaction_service_pb2.PHASE_ENDED,
    Phase.CANCELLED: reaction_service_pb2.PHASE_CANCELLED,
}


def codec_of(value: int) -> Codec | None:
    """The codec of the wire's number; None where the wire or the server knows none such."""
    try:
        name = media_pb2.Codec.Name(value)  # type: ignore[arg-type]
    except ValueError:
        return None
    return Codec.__members__.get(name.removeprefix("CODEC_"))


def subject_of(value: int) -> SubjectPolicy | None:
    """Whose reactions count; None where the stream leaves it to the server.

    Raises:
        ConfigError: the wire knows no such number.
    """
    if value == reaction_service_pb2.SUBJECT_POLICY_UNSPECIFIED:
        return None
    for subject in SUBJECTS:
        if value == reaction_service_pb2.SubjectPolicy.Value(f"SUBJECT_POLICY_{subject.upper()}"):
            return subject
    raise ConfigError(f"subject: expected one of {', '.join(SUBJECTS)}, got {value}")


def frame_of(message: media_pb2.Frame) -> EncodedFrame:
    return EncodedFrame(
        message.participant_id,
        message.sequence,
        message.pts,
        message.clock_hz,
        message.keyframe,
        message.payload,
    )


def model_message(info: ModelInfo) -> media_pb2.ModelInfo:
    return media_pb2.ModelInfo(name=info.name, version=info.version, labels=info.labels, backend=info.backend)


def box_message(box: Box) -> media_pb2.BoundingBox:
    return media_pb2.BoundingBox(ymin=box.ymin, xmin=box.xmin, ymax=box.ymax, xmax=box.xmax)


def frame_counts_message(counts: FrameCounts) -> reaction_service_pb2.FrameBooks:
    return reaction_service_pb2.FrameBooks(
        received=counts.received,
        analysed=counts.analysed,
        skipped=counts.skipped,
        dropped=counts.dropped,
        in_flight=counts.in_flight,
    )


def statistics_message(
    participants: Sequence[ParticipantStatistics],
) -> reaction_service_pb2.StreamStatistics:
    return reaction_service_pb2.StreamStatistics(
        participants=[
            reaction_service_pb2.ParticipantStatistics(
                participant_id=each.participant_id,
                books=frame_counts_message(each.books),
                reactions=each.reactions,
                latency_p50_ms=each.latency_p50_ms,
                latency_p95_ms=each.latency_p95_ms,
            )
            for each in participants
        ]
    )


def response_of(item: Outgoing) -> reaction_service_pb2.StreamReactionsResponse:
    """The message of the wire for an event or an answer."""
    response = reaction_service_pb2.StreamReactionsResponse
    control = reaction_service_pb2.StreamControl
    match item:
        case reaction_service_pb2.StreamReactionsResponse():
            return item
        case Reaction():
            return response(reaction=_reaction_message(item))
        case FrameDecided():
            decision = reaction_service_pb2.FrameDecision(
                participant_id=item.participant_id,
                sequence=item.sequence,
                pts=item.pts,
                clock_hz=item.clock_hz,
                latency_ms=item.latency_ms,
            )
            return response(decision=decision)
        case KeyframeRequested():
            request = reaction_service_pb2.KeyframeRequest(
                participant_id=item.participant_id, reason=item.reason
            )
            return response(control=control(keyframe=request))
        case SlowDown():
            slow_down = reaction_service_pb2.SlowDown(
                participant_id=item.participant_id, max_fps=item.max_fps, reason=item.reason
            )
            return response(control=control(slow_down=slow_down))
        case Draining():
            return response(control=control(drain=reaction_service_pb2.Drain(deadline_ms=item.deadline_ms)))
        case Fault():
            code = reaction_service_pb2.FaultCode.Value(f"FAULT_CODE_{item.code.name}")
            fault = reaction_service_pb2.ParticipantFault(
                participant_id=item.participant_id,
                code=code,
                message=item.message,
                sequence=item.sequence,
                count=item.count,
            )
            return response(fault=fault)
        case StatisticsAnswer():
            return response(statistics=statistics_message(item.participants))


def _reaction_message(reaction: Reaction) -> reaction_service_pb2.ReactionEvent:
    return reaction_service_pb2.ReactionEvent(
        participant_id=reaction.participant_id,
        reaction_id=reaction.reaction_id,
        phase=_PHASES[reaction.phase],
        label=reaction.label,
        progress=reaction.progress,
        score=reaction.score,
        box=box_message(reaction.box),
        pts=reaction.pts,
        clock_hz=reaction.clock_hz,
        sequence=reaction.sequence,
        latency_ms=reaction.latency_ms,
        model_version=reaction.model_version,
        gif=None if reaction.gif is None else gif_message(reaction.gif),
        gif_reason=reaction.gif_reason,
        end_reason=reaction.end_reason,
    )


def gif_message(gif: Gif) -> reaction_service_pb2.Gif:
    return reaction_service_pb2.Gif(
        gif_id=gif.gif_id, url=gif.url, title=gif.title, media_type=gif.media_type, priority=gif.priority
    )
