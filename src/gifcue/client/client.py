"""The way in: one connection to a gifcue server, and every call on it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.client.backoff import Backoff
from gifcue.client.convert import annotated_of, status_of
from gifcue.client.exceptions import ClientError, error_of
from gifcue.client.options import ConnectionOptions, StreamOptions
from gifcue.client.participant import KeyframeCallback
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.stream import ReactionStream
from gifcue.protocol.events import AnnotatedImage, ServerStatus
from gifcue.v1 import (
    operator_service_pb2,
    operator_service_pb2_grpc,
    reaction_service_pb2,
    reaction_service_pb2_grpc,
)


class ReactionClient:
    """One connection to `target` ("host:port", or any target that grpc resolves, such as
    "dns:///gifcue:50051").

    Use it with `async with`. Nothing is dialled before the first call. Every call raises the tree of
    `gifcue.client.exceptions`.
    """

    def __init__(self, target: str, options: ConnectionOptions | None = None) -> None:
        if not target:
            raise ClientError('expected a target such as "127.0.0.1:50051", got an empty one')
        self._target = target
        self._options = options or ConnectionOptions()
        self._channel: Any = None

    @property
    def target(self) -> str:
        """Whom it talks to."""
        return self._target

    async def __aenter__(self) -> Self:
        arguments = self._options.channel_arguments()
        if self._options.tls is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=arguments)
        else:
            credentials = self._options.tls.credentials()
            self._channel = grpc.aio.secure_channel(self._target, credentials, options=arguments)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        channel, self._channel = self._channel, None
        await channel.close()

    def open(
        self, options: StreamOptions | None = None, on_keyframe_request: KeyframeCallback | None = None
    ) -> ReactionStream:
        """A stream, opened by `async with`. It ends when its connection ends."""
        stub = reaction_service_pb2_grpc.ReactionServiceStub(self._opened())
        return ReactionStream(stub, options or StreamOptions(), self._options, on_keyframe_request)

    def reconnecting(
        self,
        options: StreamOptions | None = None,
        backoff: Backoff | None = None,
        on_keyframe_request: KeyframeCallback | None = None,
        wait_for_server: bool = False,
    ) -> ReconnectingStream:
        """A stream that outlives its connections, opened by `async with`.

        With `wait_for_server` it also waits for a server that is not up yet; without, entering then fails.
        """
        return ReconnectingStream(
            lambda: self.open(options),
            backoff=backoff or Backoff(),
            on_keyframe_request=on_keyframe_request,
            wait_for_server=wait_for_server,
        )

    async def annotate(self, image: bytes, min_score: float = 0.0) -> AnnotatedImage:
        """What is to be seen on one JPEG or PNG. `min_score` 0..1; 0 takes the server's own thresholds."""
        stub = reaction_service_pb2_grpc.ReactionServiceStub(self._opened())
        request = reaction_service_pb2.AnnotateImageRequest(image=image, min_score=min_score)
        return annotated_of(await self._unary(stub.AnnotateImage, request))

    async def status(self) -> ServerStatus:
        """What the server does now."""
        stub = operator_service_pb2_grpc.OperatorServiceStub(self._opened())
        return status_of(await self._unary(stub.GetStatus, operator_service_pb2.GetStatusRequest()))

    async def metrics(self) -> str:
        """The server's figures in Prometheus' text format."""
        stub = operator_service_pb2_grpc.OperatorServiceStub(self._opened())
        response = await self._unary(stub.GetMetrics, operator_service_pb2.GetMetricsRequest())
        return str(response.text)

    async def health(self, service: str = "") -> str:
        """What grpc.health.v1 answers: "SERVING", "NOT_SERVING" and so on."""
        stub = health_pb2_grpc.HealthStub(self._opened())
        response = await self._unary(stub.Check, health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    def _opened(self) -> Any:
        if self._channel is None:
            raise ClientError(
                "expected an entered client (async with ReactionClient(…)), got one that is not"
            )
        return self._channel

    async def _unary(self, call: Any, request: Any) -> Any:
        try:
            return await call(
                request, timeout=self._options.call_timeout_s, metadata=self._options.metadata or None
            )
        except grpc.aio.AioRpcError as error:
            raise error_of(error.code(), error.details()) from None
