"""A gifcue server without video: real gRPC, scripted answers. See `gifcue.testing`.

Its own answers are written as protobuf messages, not converted by `gifcue.protocol.wire`. Tests of the client would
otherwise not notice a conversion that is wrong in the same way in both directions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.protocol.events import ServerEvent
from gifcue.protocol.wire.responses import encode_response
from gifcue.testing.fake_health import HealthServicer
from gifcue.testing.fake_operator import FakeOperator, OperatorServicer
from gifcue.v1 import (
    media_pb2,
    operator_service_pb2,
    operator_service_pb2_grpc,
    reaction_service_pb2,
    reaction_service_pb2_grpc,
)
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest, StreamReactionsResponse

MODEL = media_pb2.ModelInfo(
    name="fake", version="fake-1", labels=["face", "hand", "smile", "wave", "thumbs_up"], backend="litert"
)
REACTION_LABELS = ("smile", "thumbs_up", "wave")
FEATURES = ("explain", "dismiss", "resume")
LIMITS = reaction_service_pb2.EffectiveLimits(
    max_participants=16,
    max_frame_bytes=4 * 1024 * 1024,
    max_pixels=1920 * 1080,
    max_fps=60,
    max_buffered_bytes=8 * 1024 * 1024,
    idle_timeout_ms=30_000,
    max_message_bytes=4 * 1024 * 1024 + 128 * 1024,
    max_frames_per_message=512,
    min_ping_interval_ms=10_000,
)


def _limits() -> reaction_service_pb2.EffectiveLimits:
    limits = reaction_service_pb2.EffectiveLimits()
    limits.CopyFrom(LIMITS)
    return limits


class FakeStream:
    """One stream, as the server sees it: every request so far, and answers to script.

    `requests` has every message in order; `joins` the latest join by participant; `frames` every frame.
    """

    def __init__(self) -> None:
        self.requests: list[StreamReactionsRequest] = []
        self.joins: dict[str, reaction_service_pb2.Join] = {}
        self.frames: list[media_pb2.Frame] = []
        self.half_closed = asyncio.Event()
        self._changed = asyncio.Condition()
        self._answers: asyncio.Queue[StreamReactionsResponse | _End] = asyncio.Queue()
        self._open_reactions: dict[str, reaction_service_pb2.ReactionEvent] = {}

    def say(self, event: ServerEvent) -> None:
        """Sends an event of `gifcue.client`."""
        self._answers.put_nowait(encode_response(event))

    def answer(self, **message: Any) -> None:
        """Sends a response made of protobuf messages: `answer(reaction=…)`, `answer(fault=…)`, …"""
        self._answers.put_nowait(StreamReactionsResponse(**message))

    def end(self, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "") -> None:
        """Ends the call once the answers before are sent."""
        self._answers.put_nowait(_End(code, details))

    async def until(self, condition: Callable[[FakeStream], bool]) -> None:
        """Waits until the stream satisfies `condition`, which is checked after every request."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def counts(self, participant_id: str) -> reaction_service_pb2.FrameBooks:
        """The participant's frame accounting: every frame counts as analysed."""
        count = sum(frame.participant_id == participant_id for frame in self.frames)
        return reaction_service_pb2.FrameBooks(received=count, analysed=count)

    async def take(self, request: StreamReactionsRequest) -> None:
        """Records one request and answers it. Called by the server."""
        async with self._changed:
            self.requests.append(request)
            match request.WhichOneof("message"):
                case "frame":
                    self.frames.append(request.frame)
                    self._react(request.frame)
                case "frames":
                    for frame in request.frames.frames:
                        self.frames.append(frame)
                        self._react(frame)
                case "participant":
                    self._update(request.participant)
                case "statistics":
                    self._send_statistics()
            self._changed.notify_all()

    def finish(self) -> None:
        """The client half-closed: ends its reactions, then the call. Called by the server."""
        for participant_id in tuple(self._open_reactions):
            self._release(participant_id, "left")
        self.half_closed.set()
        self.end()

    async def answers(self) -> AsyncIterator[StreamReactionsResponse | _End]:
        """The answers to send, in order. Called by the server."""
        while True:
            yield await self._answers.get()

    def _update(self, update: reaction_service_pb2.ParticipantUpdate) -> None:
        match update.WhichOneof("update"):
            case "join":
                self.joins[update.participant_id] = update.join
                self._take_over(update.participant_id, update.join)
            case "leave":
                self._release(update.participant_id, "left")
            case "dismiss":
                self._dismiss(update.participant_id, update.dismiss.reaction_id)

    def _take_over(self, participant_id: str, join: reaction_service_pb2.Join) -> None:
        """Goes on with the first reaction that the join carries, if its label is allowed. Others end."""
        for running in join.resume.running:
            reaction = reaction_service_pb2.ReactionEvent(
                participant_id=participant_id,
                reaction_id=running.reaction_id,
                label=running.label,
                box=media_pb2.BoundingBox(),
                model_version=MODEL.version,
            )
            if running.label not in join.allowed_labels:
                self._answer(
                    reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason="not_allowed"
                )
            elif participant_id in self._open_reactions:
                self._answer(reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason="released")
            else:
                self._open_reactions[participant_id] = reaction

    def _dismiss(self, participant_id: str, reaction_id: str) -> None:
        reaction = self._open_reactions.get(participant_id)
        if reaction is not None and reaction.reaction_id == reaction_id:
            self._release(participant_id, "dismissed")
            return
        fault = reaction_service_pb2.ParticipantFault(
            participant_id=participant_id,
            code=reaction_service_pb2.FAULT_CODE_INVALID_ARGUMENT,
            message="dismiss: expected the id of a reaction that started, got another",
            count=1,
        )
        self.answer(fault=fault)

    def _react(self, frame: media_pb2.Frame) -> None:
        join = self.joins.get(frame.participant_id)
        if join is None:
            self.answer(
                fault=reaction_service_pb2.ParticipantFault(
                    participant_id=frame.participant_id,
                    code=reaction_service_pb2.FAULT_CODE_UNKNOWN_PARTICIPANT,
                    message="expected a participant that joined",
                    sequence=frame.sequence,
                    count=1,
                )
            )
            return
        self._decide(frame, join)
        if frame.participant_id in self._open_reactions or not join.allowed_labels:
            return
        reaction = reaction_service_pb2.ReactionEvent(
            participant_id=frame.participant_id,
            reaction_id=f"r-{frame.participant_id}",
            label=join.allowed_labels[0],
            score=0.97,
            box=media_pb2.BoundingBox(ymin=0.1, xmin=0.2, ymax=0.5, xmax=0.6),
            pts=frame.pts,
            clock_hz=frame.clock_hz,
            sequence=frame.sequence,
            latency_ms=12.5,
            model_version=MODEL.version,
        )
        self._open_reactions[frame.participant_id] = reaction
        if self.requests[0].config.send_holding:
            self._answer(reaction, reaction_service_pb2.PHASE_HOLDING, progress=0.5)
        gif = reaction_service_pb2.Gif(
            gif_id="smile-1", url="/gifs/smile-1.gif", title="A smile", media_type="image/gif", priority=1
        )
        self._answer(
            reaction, reaction_service_pb2.PHASE_STARTED, progress=1.0, gif=gif, gif_reason="the only one"
        )

    def _decide(self, frame: media_pb2.Frame, join: reaction_service_pb2.Join) -> None:
        config = self.requests[0].config
        if not config.send_decisions:
            return
        unmet = [
            reaction_service_pb2.UnmetCondition(label=label, condition="score", value=0.61, needed=0.8)
            for label in join.allowed_labels[1:]
        ]
        decision = reaction_service_pb2.FrameDecision(
            participant_id=frame.participant_id,
            sequence=frame.sequence,
            pts=frame.pts,
            clock_hz=frame.clock_hz,
            latency_ms=12.5,
            unmet=unmet if config.explain else [],
        )
        self.answer(decision=decision)

    def _release(self, participant_id: str, reason: str) -> None:
        reaction = self._open_reactions.pop(participant_id, None)
        if reaction is not None:
            self._answer(reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason=reason)

    def _answer(self, reaction: reaction_service_pb2.ReactionEvent, phase: Any, **fields: Any) -> None:
        event = reaction_service_pb2.ReactionEvent(phase=phase, **fields)
        event.MergeFrom(reaction)
        self.answer(reaction=event)

    def _send_statistics(self) -> None:
        self.answer(
            statistics=reaction_service_pb2.StreamStatistics(
                participants=[
                    reaction_service_pb2.ParticipantStatistics(
                        participant_id=name,
                        books=self.counts(name),
                        reactions=1,
                        latency_p50_ms=9,
                        latency_p95_ms=12,
                    )
                    for name in self.joins
                ]
            )
        )


@dataclass(frozen=True)
class _End:
    code: grpc.StatusCode
    details: str


@dataclass
class FakeService:
    """What the fake server answers. Change it before a call.

    `refuse` is the status with which streams end at once, and `retry_after_ms` what that tells the client. A `silent`
    server sends no Ready and no answer about its health. `streams` has every stream
    so far, `metadata` that of the latest one, and `stills` every still. `state` is what the status says of the server,
    `operator` what operators' calls do. `limits` are those that streams are told; a client of a server that states an
    interval of heartbeats expects them. `features` are what streams are told that it can do.
    """

    streams: list[FakeStream] = field(default_factory=list)
    refuse: tuple[grpc.StatusCode, str] | None = None
    retry_after_ms: int | None = None
    state: operator_service_pb2.ServingState.ValueType = operator_service_pb2.SERVING_STATE_SERVING
    silent: bool = False
    limits: reaction_service_pb2.EffectiveLimits = field(default_factory=_limits)
    features: tuple[str, ...] = FEATURES
    health: health_pb2.HealthCheckResponse.ServingStatus = health_pb2.HealthCheckResponse.SERVING
    metadata: list[tuple[str, str]] = field(default_factory=list)
    stills: list[bytes] = field(default_factory=list)
    operator: FakeOperator = field(default_factory=FakeOperator)
    opened: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def set_health(self, health: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        """Changes the health, and tells those who watch it."""
        self.health = health
        async with self.opened:
            self.opened.notify_all()

    async def stream(self, number: int) -> FakeStream:
        """The stream with this number, counted from 0. Waits until it is opened."""
        async with self.opened:
            await self.opened.wait_for(lambda: len(self.streams) > number)
        return self.streams[number]


class _Reactions(reaction_service_pb2_grpc.ReactionServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self._service = service

    async def StreamReactions(self, requests: Any, context: Any) -> AsyncIterator[StreamReactionsResponse]:
        service = self._service
        service.metadata = [(key, value) for key, value in context.invocation_metadata()]
        if service.refuse is not None:
            pause_ms = service.retry_after_ms
            trailing = () if pause_ms is None else (("gifcue-retry-after-ms", str(pause_ms)),)
            await context.abort(*service.refuse, trailing)
        stream = FakeStream()
        async with service.opened:
            service.streams.append(stream)
            service.opened.notify_all()
        reader = asyncio.create_task(self._read(requests, stream))
        try:
            async for answer in stream.answers():
                if isinstance(answer, _End):
                    if answer.code is not grpc.StatusCode.OK:
                        await context.abort(answer.code, answer.details)
                    return
                yield answer
        finally:
            reader.cancel()

    async def _read(self, requests: Any, stream: FakeStream) -> None:
        async for request in requests:
            if not stream.requests and request.WhichOneof("message") != "config":
                stream.end(grpc.StatusCode.FAILED_PRECONDITION, "expected a config first")
                return
            await stream.take(request)
            if request.HasField("config") and not self._service.silent:
                stream.answer(
                    ready=reaction_service_pb2.StreamReady(
                        limits=self._service.limits,
                        model=MODEL,
                        reaction_labels=REACTION_LABELS,
                        server_version="0.0.0",
                        session_id=f"s-{len(self._service.streams)}",
                        preset=request.config.preset or "normal",
                        features=self._service.features,
                    )
                )
        stream.finish()

    async def AnnotateImage(self, request: Any, context: Any) -> Any:
        self._service.stills.append(request.image)
        if not request.image.startswith((b"\xff\xd8", b"\x89PNG")):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "expected a JPEG or PNG, got something else"
            )
        box = media_pb2.BoundingBox(ymin=0.1, xmin=0.2, ymax=0.5, xmax=0.6)
        found = [
            reaction_service_pb2.Annotation(label=label, score=score, box=box)
            for label, score in (("smile", 0.98), ("face", 0.6))
            if score >= request.min_score
        ]
        return reaction_service_pb2.AnnotateImageResponse(
            annotations=found, model=MODEL, width=640, height=360
        )


def _status(service: FakeService) -> operator_service_pb2.GetStatusResponse:
    frames = sum(len(stream.frames) for stream in service.streams)
    return operator_service_pb2.GetStatusResponse(
        server_version="0.0.0",
        model=MODEL,
        uptime_s=12.0,
        state=service.state,
        streams=len(service.streams),
        participants=sum(len(stream.joins) for stream in service.streams),
        books=reaction_service_pb2.FrameBooks(received=frames, analysed=frames),
        reactions={"smile": 1},
        workers=[operator_service_pb2.WorkerStatus(name="decode-0", state="ready", pid=1)],
        latency_p50_ms=9,
        latency_p95_ms=12,
    )


class FakeServer:
    """Used with `async with`. Listens on `port`, or on a free one; `target` is its address."""

    def __init__(self, port: int = 0) -> None:
        self.service = FakeService()
        self.port = port
        self._server: Any = None

    @property
    def target(self) -> str:
        """The address to connect to."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Starts to listen. After `kill`, on the same port again."""
        self._server = grpc.aio.server()
        reaction_service_pb2_grpc.add_ReactionServiceServicer_to_server(
            _Reactions(self.service), self._server
        )
        operator = OperatorServicer(
            self.service.operator,
            lambda: _status(self.service),
            lambda: [f"s-{number}" for number, _ in enumerate(self.service.streams, 1)],
        )
        operator_service_pb2_grpc.add_OperatorServiceServicer_to_server(operator, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(self.service), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def kill(self) -> None:
        """Stops at once: every stream loses its connection."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace=None)
