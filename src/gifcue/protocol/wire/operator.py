"""operator_service.proto: the state of a server."""

from __future__ import annotations

from gifcue.protocol.statistics import ServerStatus, ServingState, WorkerStatus
from gifcue.protocol.wire.media import decode_model, encode_model
from gifcue.protocol.wire.responses import decode_counts, encode_counts
from gifcue.v1 import operator_service_pb2 as pb

_STATE_NUMBERS = {state: pb.ServingState.Value(f"SERVING_STATE_{state.name}") for state in ServingState}
_STATES: dict[int, ServingState] = {number: state for state, number in _STATE_NUMBERS.items()}


def encode_status(status: ServerStatus) -> pb.GetStatusResponse:
    return pb.GetStatusResponse(
        server_version=status.server_version,
        model=None if status.model is None else encode_model(status.model),
        uptime_s=status.uptime_s,
        state=_STATE_NUMBERS[status.state],
        streams=status.streams,
        participants=status.participants,
        books=encode_counts(status.frames),
        reactions=status.reactions,
        workers=[
            pb.WorkerStatus(
                name=each.name,
                state=each.state,
                pid=each.pid,
                restarts=each.restarts,
                last_failure=each.last_failure,
            )
            for each in status.workers
        ],
        latency_p50_ms=status.latency_p50_ms,
        latency_p95_ms=status.latency_p95_ms,
        streams_by_status=status.streams_by_status,
    )


def decode_status(message: pb.GetStatusResponse) -> ServerStatus:
    """The status, with `ServingState.UNSPECIFIED` for a state that this version does not know."""
    return ServerStatus(
        server_version=message.server_version,
        model=decode_model(message.model) if message.HasField("model") else None,
        uptime_s=message.uptime_s,
        state=_STATES.get(message.state, ServingState.UNSPECIFIED),
        streams=message.streams,
        participants=message.participants,
        frames=decode_counts(message.books),
        reactions=dict(message.reactions),
        workers=tuple(
            WorkerStatus(each.name, each.state, each.pid, each.restarts, each.last_failure)
            for each in message.workers
        ),
        latency_p50_ms=message.latency_p50_ms,
        latency_p95_ms=message.latency_p95_ms,
        streams_by_status=dict(message.streams_by_status),
    )
