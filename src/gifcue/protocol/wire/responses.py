"""StreamReactionsResponse: what a stream answers."""

from __future__ import annotations

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.events import (
    Draining,
    Fault,
    FrameDecided,
    Gif,
    Heartbeat,
    KeyframeRequested,
    Limits,
    Reaction,
    Ready,
    ServerEvent,
    SlowDown,
)
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.statistics import ParticipantStatistics, Statistics
from gifcue.protocol.wire.decisions import decode_decision, encode_decision
from gifcue.protocol.wire.media import decode_box, decode_model, encode_box, encode_model
from gifcue.v1 import reaction_service_pb2 as pb

Control = KeyframeRequested | SlowDown | Draining

_PHASE_NUMBERS = {phase: pb.Phase.Value(f"PHASE_{phase.name}") for phase in Phase}
_PHASES: dict[int, Phase] = {number: phase for phase, number in _PHASE_NUMBERS.items()}
_FAULT_NUMBERS = {code: pb.FaultCode.Value(f"FAULT_CODE_{code.name}") for code in FaultCode}
_FAULT_CODES: dict[int, FaultCode] = {number: code for code, number in _FAULT_NUMBERS.items()}


def encode_response(response: ServerEvent | Heartbeat | Statistics) -> pb.StreamReactionsResponse:
    """The message of the wire."""
    match response:
        case Reaction():
            return pb.StreamReactionsResponse(reaction=encode_reaction(response))
        case FrameDecided():
            return pb.StreamReactionsResponse(decision=encode_decision(response))
        case KeyframeRequested() | SlowDown() | Draining():
            return pb.StreamReactionsResponse(control=encode_control(response))
        case Fault():
            return pb.StreamReactionsResponse(fault=encode_fault(response))
        case Statistics():
            return pb.StreamReactionsResponse(statistics=encode_statistics(response))
        case Heartbeat():
            return pb.StreamReactionsResponse(heartbeat=pb.Heartbeat())
        case Ready():
            return pb.StreamReactionsResponse(ready=encode_ready(response))


def decode_response(message: pb.StreamReactionsResponse) -> ServerEvent | Heartbeat | Statistics | None:
    """The event, heartbeat or statistics; None for a message of a newer server that this version does not know."""
    match message.WhichOneof("message"):
        case "reaction":
            return decode_reaction(message.reaction)
        case "decision":
            return decode_decision(message.decision)
        case "control":
            return decode_control(message.control)
        case "fault":
            return decode_fault(message.fault)
        case "statistics":
            return decode_statistics(message.statistics)
        case "ready":
            return decode_ready(message.ready)
        case "heartbeat":
            return Heartbeat()
    return None


def encode_ready(ready: Ready) -> pb.StreamReady:
    limits = ready.limits
    return pb.StreamReady(
        limits=pb.EffectiveLimits(
            max_participants=limits.max_participants,
            max_frame_bytes=limits.max_frame_bytes,
            max_pixels=limits.max_pixels,
            max_fps=limits.max_fps,
            max_buffered_bytes=limits.max_buffered_bytes,
            idle_timeout_ms=limits.idle_timeout_ms,
            max_message_bytes=limits.max_message_bytes,
            max_frames_per_message=limits.max_frames_per_message,
            min_ping_interval_ms=limits.min_ping_interval_ms,
            heartbeat_interval_ms=limits.heartbeat_interval_ms,
        ),
        model=encode_model(ready.model),
        reaction_labels=ready.reaction_labels,
        server_version=ready.server_version,
        session_id=ready.session_id,
        preset=ready.preset,
        gif_base_url=ready.gif_base_url,
        features=ready.features,
    )


def decode_ready(message: pb.StreamReady) -> Ready:
    limits = message.limits
    return Ready(
        limits=Limits(
            max_participants=limits.max_participants,
            max_frame_bytes=limits.max_frame_bytes,
            max_pixels=limits.max_pixels,
            max_fps=limits.max_fps,
            max_buffered_bytes=limits.max_buffered_bytes,
            idle_timeout_ms=limits.idle_timeout_ms,
            max_message_bytes=limits.max_message_bytes,
            max_frames_per_message=limits.max_frames_per_message,
            min_ping_interval_ms=limits.min_ping_interval_ms,
            heartbeat_interval_ms=limits.heartbeat_interval_ms,
        ),
        model=decode_model(message.model),
        reaction_labels=tuple(message.reaction_labels),
        server_version=message.server_version,
        session_id=message.session_id,
        preset=message.preset,
        gif_base_url=message.gif_base_url,
        features=tuple(message.features),
    )


def encode_gif(gif: Gif) -> pb.Gif:
    return pb.Gif(
        gif_id=gif.gif_id,
        url=gif.url,
        title=gif.title,
        media_type=gif.media_type,
        priority=gif.priority,
        rule_id=gif.rule_id,
    )


def decode_gif(message: pb.Gif) -> Gif:
    return Gif(
        gif_id=message.gif_id,
        url=message.url,
        title=message.title,
        media_type=message.media_type,
        priority=message.priority,
        rule_id=message.rule_id,
    )


def encode_reaction(reaction: Reaction) -> pb.ReactionEvent:
    return pb.ReactionEvent(
        participant_id=reaction.participant_id,
        reaction_id=reaction.reaction_id,
        phase=_PHASE_NUMBERS[reaction.phase],
        label=reaction.label,
        progress=reaction.progress,
        score=reaction.score,
        box=encode_box(reaction.box),
        pts=reaction.pts,
        clock_hz=reaction.clock_hz,
        sequence=reaction.sequence,
        latency_ms=reaction.latency_ms,
        model_version=reaction.model_version,
        gif=None if reaction.gif is None else encode_gif(reaction.gif),
        gif_reason=reaction.gif_reason,
        end_reason=reaction.end_reason,
        cooldown_ms=reaction.cooldown_ms,
        room_cooldown_ms=reaction.room_cooldown_ms,
        gif_cooldown_ms=reaction.gif_cooldown_ms,
    )


def decode_reaction(message: pb.ReactionEvent) -> Reaction | None:
    """None where the phase is unknown to this version: it could not be acted upon."""
    phase = _PHASES.get(message.phase)
    if phase is None:
        return None
    return Reaction(
        participant_id=message.participant_id,
        reaction_id=message.reaction_id,
        phase=phase,
        label=message.label,
        progress=message.progress,
        score=message.score,
        box=decode_box(message.box),
        pts=message.pts,
        clock_hz=message.clock_hz,
        sequence=message.sequence,
        latency_ms=message.latency_ms,
        model_version=message.model_version,
        gif=decode_gif(message.gif) if message.HasField("gif") else None,
        gif_reason=message.gif_reason,
        end_reason=message.end_reason,
        cooldown_ms=message.cooldown_ms,
        room_cooldown_ms=message.room_cooldown_ms,
        gif_cooldown_ms=message.gif_cooldown_ms,
    )


def encode_control(control: Control) -> pb.StreamControl:
    match control:
        case KeyframeRequested():
            keyframe = pb.KeyframeRequest(participant_id=control.participant_id, reason=control.reason)
            return pb.StreamControl(keyframe=keyframe)
        case SlowDown():
            slow_down = pb.SlowDown(
                participant_id=control.participant_id, max_fps=control.max_fps, reason=control.reason
            )
            return pb.StreamControl(slow_down=slow_down)
        case Draining():
            return pb.StreamControl(drain=pb.Drain(deadline_ms=control.deadline_ms))


def decode_control(message: pb.StreamControl) -> Control | None:
    """None for a control of a newer server that this version does not know."""
    match message.WhichOneof("control"):
        case "keyframe":
            return KeyframeRequested(message.keyframe.participant_id, message.keyframe.reason)
        case "slow_down":
            slow_down = message.slow_down
            return SlowDown(slow_down.participant_id, slow_down.max_fps, slow_down.reason)
        case "drain":
            return Draining(message.drain.deadline_ms)
    return None


def encode_fault(fault: Fault) -> pb.ParticipantFault:
    return pb.ParticipantFault(
        participant_id=fault.participant_id,
        code=_FAULT_NUMBERS[fault.code],
        message=fault.message,
        sequence=fault.sequence,
        count=fault.count,
    )


def decode_fault(message: pb.ParticipantFault) -> Fault:
    """The fault, with `FaultCode.UNSPECIFIED` for a code that this version does not know."""
    return Fault(
        participant_id=message.participant_id,
        code=_FAULT_CODES.get(message.code, FaultCode.UNSPECIFIED),
        message=message.message,
        sequence=message.sequence,
        count=message.count,
    )


def encode_counts(counts: FrameCounts) -> pb.FrameBooks:
    return pb.FrameBooks(
        received=counts.received,
        analysed=counts.analysed,
        skipped=counts.skipped,
        dropped=counts.dropped,
        in_flight=counts.in_flight,
    )


def decode_counts(message: pb.FrameBooks) -> FrameCounts:
    return FrameCounts(
        received=message.received,
        analysed=message.analysed,
        skipped=dict(message.skipped),
        dropped=dict(message.dropped),
        in_flight=message.in_flight,
    )


def encode_statistics(statistics: Statistics) -> pb.StreamStatistics:
    return pb.StreamStatistics(
        participants=[
            pb.ParticipantStatistics(
                participant_id=each.participant_id,
                books=encode_counts(each.frames),
                reactions=each.reactions,
                latency_p50_ms=each.latency_p50_ms,
                latency_p95_ms=each.latency_p95_ms,
            )
            for each in statistics.participants
        ]
    )


def decode_statistics(message: pb.StreamStatistics) -> Statistics:
    return Statistics(
        tuple(
            ParticipantStatistics(
                participant_id=each.participant_id,
                frames=decode_counts(each.books),
                reactions=each.reactions,
                latency_p50_ms=each.latency_p50_ms,
                latency_p95_ms=each.latency_p95_ms,
            )
            for each in message.participants
        )
    )
