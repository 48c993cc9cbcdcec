"""Protobuf ↔ the client's dataclasses. The only module of the client that knows both."""

from __future__ import annotations

from collections.abc import Iterable

from gifcue.client.options import StreamOptions
from gifcue.media.codecs import Codec
from gifcue.protocol.events import (
    AnnotatedImage,
    Annotation,
    Box,
    Draining,
    Fault,
    FaultCode,
    FrameCounts,
    FrameDecided,
    Gif,
    KeyframeRequested,
    Limits,
    Model,
    ParticipantStatistics,
    Phase,
    Reaction,
    Ready,
    ServerStatus,
    SlowDown,
    Statistics,
    WorkerState,
)
from gifcue.v1 import media_pb2, operator_service_pb2, reaction_service_pb2


def config_of(options: StreamOptions) -> reaction_service_pb2.StreamReactionsRequest:
    """The request that opens a stream."""
    subject = "UNSPECIFIED" if options.subject is None else options.subject.name
    return reaction_service_pb2.StreamReactionsRequest(
        config=reaction_service_pb2.StreamConfig(
            room_id=options.room_id,
            client_name=options.client_name,
            preset=options.preset,
            send_holding=options.send_holding,
            send_decisions=options.send_decisions,
            speaking_suppresses_hands=options.speaking_suppresses_hands,
            subject=reaction_service_pb2.SubjectPolicy.Value(f"SUBJECT_POLICY_{subject}"),
        )
    )


def join_of(
    participant_id: str, codec: Codec, extradata: bytes, allowed_labels: Iterable[str]
) -> reaction_service_pb2.StreamReactionsRequest:
    """The request that lets a participant's video begin."""
    return reaction_service_pb2.StreamReactionsRequest(
        participant=reaction_service_pb2.ParticipantUpdate(
            participant_id=participant_id,
            join=reaction_service_pb2.Join(
                codec=media_pb2.Codec.Value(f"CODEC_{codec.name}"),
                extradata=extradata,
                allowed_labels=list(allowed_labels),
            ),
        )
    )


def event_of(
    message: reaction_service_pb2.StreamReactionsResponse,
) -> Ready | Reaction | FrameDecided | KeyframeRequested | SlowDown | Draining | Fault | Statistics | None:
    """What the server says; None for a message that a newer server sends and this client does not know."""
    match message.WhichOneof("message"):
        case "ready":
            return _ready(message.ready)
        case "reaction":
            return _reaction(message.reaction)
        case "control":
            return _control(message.control)
        case "statistics":
            return Statistics(tuple(_participant(each) for each in message.statistics.participants))
        case "fault":
            return _fault(message.fault)
        case "decision":
            decision = message.decision
            return FrameDecided(
                decision.participant_id,
                decision.sequence,
                decision.pts,
                decision.clock_hz,
                decision.latency_ms,
            )
    return None


def _ready(ready: reaction_service_pb2.StreamReady) -> Ready:
    limits = ready.limits
    return Ready(
        limits=Limits(
            max_participants=limits.max_participants,
            max_frame_bytes=limits.max_frame_bytes,
            max_pixels=limits.max_pixels,
            max_fps=limits.max_fps,
            max_buffered_bytes=limits.max_buffered_bytes,
            idle_timeout_ms=limits.idle_timeout_ms,
        ),
        model=_model(ready.model),
        reaction_labels=tuple(ready.reaction_labels),
        server_version=ready.server_version,
        session_id=ready.session_id,
        preset=ready.preset,
    )


def _model(model: media_pb2.ModelInfo) -> Model:
    return Model(name=model.name, version=model.version, labels=tuple(model.labels), backend=model.backend)


def _box(box: media_pb2.BoundingBox) -> Box:
    return Box(ymin=box.ymin, xmin=box.xmin, ymax=box.ymax, xmax=box.xmax)


_PHASES = {
    reaction_service_pb2.PHASE_HOLDING: Phase.HOLDING,
    reaction_service_pb2.PHASE_STARTED: Phase.STARTED,
    reaction_service_pb2.PHASE_ENDED: Phase.ENDED,
    reaction_service_pb2.PHASE_CANCELLED: Phase.CANCELLED,
}


def _reaction(reaction: reaction_service_pb2.ReactionEvent) -> Reaction | None:
    phase = _PHASES.get(reaction.phase)
    if phase is None:
        return None
    gif = None
    if reaction.HasField("gif"):
        gif = Gif(
            gif_id=reaction.gif.gif_id,
            url=reaction.gif.url,
            title=reaction.gif.title,
            media_type=reaction.gif.media_type,
            priority=reaction.gif.priority,
        )
    return Reaction(
        participant_id=reaction.participant_id,
        reaction_id=reaction.reaction_id,
        phase=phase,
        label=reaction.label,
        progress=reaction.progress,
        score=reaction.score,
        box=_box(reaction.box),
        pts=reaction.pts,
        clock_hz=reaction.clock_hz,
        sequence=reaction.sequence,
        latency_ms=reaction.latency_ms,
        model_version=reaction.model_version,
        gif=gif,
        gif_reason=reaction.gif_reason,
        end_reason=reaction.end_reason,
    )


def _control(control: reaction_service_pb2.StreamControl) -> KeyframeRequested | SlowDown | Draining | None:
    match control.WhichOneof("control"):
        case "keyframe":
            return KeyframeRequested(control.keyframe.participant_id, control.keyframe.reason)
        case "slow_down":
            slow = control.slow_down
            return SlowDown(slow.participant_id, slow.max_fps, slow.reason)
        case "drain":
            return Draining(control.drain.deadline_ms)
    return None


_FAULT_PREFIX = "FAULT_CODE_"


def _fault(fault: reaction_service_pb2.ParticipantFault) -> Fault:
    try:
        name = reaction_service_pb2.FaultCode.Name(fault.code).removeprefix(_FAULT_PREFIX).lower()
        code = FaultCode(name)
    except ValueError:  # a newer server's code: its message still tells
        code = FaultCode.UNSPECIFIED
    return Fault(
        participant_id=fault.participant_id,
        code=code,
        message=fault.message,
        sequence=fault.sequence,
        count=fault.count,
    )


def _books(books: reaction_service_pb2.FrameBooks) -> FrameCounts:
    return FrameCounts(
        received=books.received,
        analysed=books.analysed,
        skipped=dict(books.skipped),
        dropped=dict(books.dropped),
        in_flight=books.in_flight,
    )


def _participant(each: reaction_service_pb2.ParticipantStatistics) -> ParticipantStatistics:
    return ParticipantStatistics(
        participant_id=each.participant_id,
        books=_books(each.books),
        reactions=each.reactions,
        latency_p50_ms=each.latency_p50_ms,
        latency_p95_ms=each.latency_p95_ms,
    )


_SERVING_STATES = {
    value: name.removeprefix("SERVING_STATE_").lower()
    for name, value in operator_service_pb2.ServingState.items()
}


def status_of(status: operator_service_pb2.GetStatusResponse) -> ServerStatus:
    """What the server does now."""
    return ServerStatus(
        server_version=status.server_version,
        model=_model(status.model) if status.HasField("model") else None,
        uptime_s=status.uptime_s,
        state=_SERVING_STATES.get(status.state, "unknown"),
        streams=status.streams,
        participants=status.participants,
        books=_books(status.books),
        reactions=dict(status.reactions),
        workers=tuple(
            WorkerState(each.name, each.state, each.pid, each.restarts, each.last_failure)
            for each in status.workers
        ),
        latency_p50_ms=status.latency_p50_ms,
        latency_p95_ms=status.latency_p95_ms,
    )


def annotated_of(response: reaction_service_pb2.AnnotateImageResponse) -> AnnotatedImage:
    """What was found in a still."""
    return AnnotatedImage(
        annotations=tuple(
            Annotation(each.label, each.score, _box(each.box)) for each in response.annotations
        ),
        model=_model(response.model),
        width=response.width,
        height=response.height,
    )
