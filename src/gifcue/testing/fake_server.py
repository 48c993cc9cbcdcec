"""A gifcue server without video: real gRPC, scripted answers. See `gifcue.testing`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.testing.fake_health import HealthServicer
from gifcue.testing.fake_operator import FakeOperator, OperatorServicer
from gifcue.testing.fake_stream import MODEL, End, FakeStream
from gifcue.v1 import (
    media_pb2,
    operator_service_pb2,
    operator_service_pb2_grpc,
    reaction_service_pb2,
    reaction_service_pb2_grpc,
)
from gifcue.v1.reaction_service_pb2 import StreamReactionsResponse

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


@dataclass
class FakeService:
    """What the fake server answers. Change it before a call.

    `refuse` is the status with which streams end at once, and `retry_after_ms` what an error tells the client. A
    `silent` server sends no Ready and no answer about its health. `streams` has every stream
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

    def pause(self) -> tuple[tuple[str, str], ...]:
        """The trailing metadata of a status other than OK."""
        return () if self.retry_after_ms is None else (("gifcue-retry-after-ms", str(self.retry_after_ms)),)

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
            await context.abort(*service.refuse, service.pause())
        stream = FakeStream()
        async with service.opened:
            service.streams.append(stream)
            service.opened.notify_all()
        reader = asyncio.create_task(self._read(requests, stream))
        try:
            async for answer in stream.answers():
                if isinstance(answer, End):
                    if answer.code is not grpc.StatusCode.OK:
                        await context.abort(answer.code, answer.details, service.pause())
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
