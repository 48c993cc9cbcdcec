"""operator_service.proto: the state of a server, its streams, and what its operator asks of it."""

from __future__ import annotations

from gifcue.protocol.operations import (
    BuildInfo,
    Capacity,
    Drained,
    DrainStatus,
    GesturesReloaded,
    LoopLag,
    ProcessStatus,
    RulesReloaded,
    RulesStatus,
    ServerLimits,
    StillStatus,
    StreamFigures,
    StreamPage,
)
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
        workers=[encode_worker(each) for each in status.workers],
        latency_p50_ms=status.latency_p50_ms,
        latency_p95_ms=status.latency_p95_ms,
        streams_by_status=status.streams_by_status,
        capacity=pb.Capacity(
            participants=status.capacity.participants,
            max_participants=status.capacity.max_participants,
            streams=status.capacity.streams,
            max_streams=status.capacity.max_streams,
        ),
        limits=encode_limits(status.limits),
        faults=status.faults,
        dismissals=status.dismissals,
        withheld=status.withheld,
        analysis_fps=status.analysis_fps,
        max_analysis_fps=status.max_analysis_fps,
        build=pb.BuildInfo(
            version=status.build.version, python=status.build.python, model_sha256=status.build.model_sha256
        ),
        drain=pb.DrainStatus(
            refuses_streams=status.drain.refuses_streams,
            exits=status.drain.exits,
            streams_moving=status.drain.streams_moving,
            streams_asked=status.drain.streams_asked,
        ),
        loop_lag=pb.LoopLag(mean_ms=status.loop_lag.mean_ms, max_ms=status.loop_lag.max_ms),
        process=encode_process(status.process),
        keyframe_requests=status.keyframe_requests,
        stills=pb.StillStatus(
            in_work=status.stills.in_work,
            decoded=status.stills.decoded,
            failed=status.stills.failed,
            refused=status.stills.refused,
        ),
        rules=pb.RulesStatus(
            reloads=status.rules.reloads,
            refused=status.rules.refused,
            has_problem=status.rules.has_problem,
            sha256=status.rules.sha256,
        ),
        log_level=status.log_level,
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
        workers=tuple(decode_worker(each) for each in message.workers),
        latency_p50_ms=message.latency_p50_ms,
        latency_p95_ms=message.latency_p95_ms,
        streams_by_status=dict(message.streams_by_status),
        capacity=Capacity(
            message.capacity.participants,
            message.capacity.max_participants,
            message.capacity.streams,
            message.capacity.max_streams,
        ),
        limits=decode_limits(message.limits),
        faults=dict(message.faults),
        dismissals=dict(message.dismissals),
        withheld=dict(message.withheld),
        analysis_fps=message.analysis_fps,
        max_analysis_fps=message.max_analysis_fps,
        build=BuildInfo(message.build.version, message.build.python, message.build.model_sha256),
        drain=DrainStatus(
            message.drain.refuses_streams,
            message.drain.exits,
            message.drain.streams_moving,
            message.drain.streams_asked,
        ),
        loop_lag=LoopLag(message.loop_lag.mean_ms, message.loop_lag.max_ms),
        process=decode_process(message.process),
        keyframe_requests=message.keyframe_requests,
        stills=StillStatus(
            message.stills.in_work,
            message.stills.decoded,
            dict(message.stills.failed),
            dict(message.stills.refused),
        ),
        rules=RulesStatus(
            message.rules.reloads, message.rules.refused, message.rules.has_problem, message.rules.sha256
        ),
        log_level=message.log_level,
    )


def encode_worker(worker: WorkerStatus) -> pb.WorkerStatus:
    return pb.WorkerStatus(
        name=worker.name,
        state=worker.state,
        pid=worker.pid,
        restarts=worker.restarts,
        last_failure=worker.last_failure,
        process=None if worker.process is None else encode_process(worker.process),
    )


def decode_worker(message: pb.WorkerStatus) -> WorkerStatus:
    return WorkerStatus(
        message.name,
        message.state,
        message.pid,
        message.restarts,
        message.last_failure,
        process=decode_process(message.process) if message.HasField("process") else None,
    )


def encode_process(process: ProcessStatus) -> pb.ProcessStatus:
    return pb.ProcessStatus(cpu_s=process.cpu_s, rss_bytes=process.rss_bytes)


def decode_process(message: pb.ProcessStatus) -> ProcessStatus:
    return ProcessStatus(message.cpu_s, message.rss_bytes)


def encode_limits(limits: ServerLimits) -> pb.ServerLimits:
    return pb.ServerLimits(
        max_streams=limits.max_streams,
        max_participants=limits.max_participants,
        max_participants_per_stream=limits.max_participants_per_stream,
        max_frame_bytes=limits.max_frame_bytes,
        max_fps=limits.max_fps,
        max_pixels=limits.max_pixels,
        idle_timeout_ms=limits.idle_timeout_ms,
        drain_timeout_ms=limits.drain_timeout_ms,
    )


def decode_limits(message: pb.ServerLimits) -> ServerLimits:
    return ServerLimits(
        max_streams=message.max_streams,
        max_participants=message.max_participants,
        max_participants_per_stream=message.max_participants_per_stream,
        max_frame_bytes=message.max_frame_bytes,
        max_fps=message.max_fps,
        max_pixels=message.max_pixels,
        idle_timeout_ms=message.idle_timeout_ms,
        drain_timeout_ms=message.drain_timeout_ms,
    )


def encode_streams(page: StreamPage) -> pb.ListStreamsResponse:
    return pb.ListStreamsResponse(
        streams=[
            pb.StreamFigures(
                session_id=each.session_id,
                age_s=each.age_s,
                participants=each.participants,
                frames_per_s=each.frames_per_s,
                books=encode_counts(each.frames),
                reactions=each.reactions,
                latency_p50_ms=each.latency_p50_ms,
                latency_p95_ms=each.latency_p95_ms,
                is_moving=each.is_moving,
            )
            for each in page.streams
        ],
        next_page_token=page.next_page_token,
        total=page.total,
    )


def decode_streams(message: pb.ListStreamsResponse) -> StreamPage:
    return StreamPage(
        tuple(
            StreamFigures(
                session_id=each.session_id,
                age_s=each.age_s,
                participants=each.participants,
                frames_per_s=each.frames_per_s,
                frames=decode_counts(each.books),
                reactions=each.reactions,
                latency_p50_ms=each.latency_p50_ms,
                latency_p95_ms=each.latency_p95_ms,
                is_moving=each.is_moving,
            )
            for each in message.streams
        ),
        message.next_page_token,
        message.total,
    )


def encode_drained(drained: Drained) -> pb.DrainResponse:
    return pb.DrainResponse(
        streams=drained.streams, remaining=drained.remaining, deadline_ms=drained.deadline_ms
    )


def decode_drained(message: pb.DrainResponse) -> Drained:
    return Drained(message.streams, message.remaining, message.deadline_ms)


def encode_reloaded(reloaded: RulesReloaded) -> pb.ReloadRulesResponse:
    return pb.ReloadRulesResponse(
        changed=reloaded.changed,
        rules=reloaded.rules,
        gifs=reloaded.gifs,
        doubtful_lines=reloaded.doubtful_lines,
    )


def decode_reloaded(message: pb.ReloadRulesResponse) -> RulesReloaded:
    return RulesReloaded(message.changed, message.rules, message.gifs, tuple(message.doubtful_lines))


def encode_gestures(reloaded: GesturesReloaded) -> pb.ReloadGesturesResponse:
    return pb.ReloadGesturesResponse(
        labels=reloaded.labels,
        problems=[
            pb.GestureProblem(file=file, problem=problem) for file, problem in reloaded.problems.items()
        ],
    )


def decode_gestures(message: pb.ReloadGesturesResponse) -> GesturesReloaded:
    """The last problem of a file that is named several times, which no server does."""
    return GesturesReloaded(tuple(message.labels), {each.file: each.problem for each in message.problems})
