"""`ReactionClient`: one connection to a gifcue server, and every call on it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.client.exceptions import ClientError, error_of
from gifcue.client.options import Backoff, ConnectionOptions
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.stream import ReactionStream
from gifcue.client.tokens import TokenSource
from gifcue.protocol.annotation import AnnotatedImage
from gifcue.protocol.operations import Drained, GesturesReloaded, RulesReloaded, StreamPage
from gifcue.protocol.requests import StreamOptions
from gifcue.protocol.statistics import ServerStatus
from gifcue.protocol.wire.annotation import decode_image
from gifcue.protocol.wire.operator import (
    decode_drained,
    decode_gestures,
    decode_reloaded,
    decode_status,
    decode_streams,
)
from gifcue.v1 import (
    operator_service_pb2,
    operator_service_pb2_grpc,
    reaction_service_pb2,
    reaction_service_pb2_grpc,
)


class ReactionClient:
    """One connection to `target`: "host:port", or any target that grpc resolves, such as "dns:///gifcue:50051".

    Used with `async with`. Connects at the first call. Every call raises errors of `gifcue.client.exceptions`.
    """

    def __init__(self, target: str, options: ConnectionOptions | None = None) -> None:
        if not target:
            raise ClientError('expected a target such as "127.0.0.1:50051", got an empty one')
        self._target = target
        self._options = options or ConnectionOptions()
        self._tokens = TokenSource(self._options.token, self._options.metadata)
        self._channel: Any = None

    @property
    def target(self) -> str:
        """The address it connects to."""
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

    def open(self, options: StreamOptions | None = None) -> ReactionStream:
        """A stream, opened by `async with`. It ends when its connection ends."""
        stub = reaction_service_pb2_grpc.ReactionServiceStub(self._entered())
        return ReactionStream(stub, options or StreamOptions(), self._options, self._tokens)

    def reconnecting(
        self,
        options: StreamOptions | None = None,
        backoff: Backoff | None = None,
        wait_for_server: bool = False,
    ) -> ReconnectingStream:
        """A stream that reconnects when its connection is lost, opened by `async with`.

        `wait_for_server` also retries the first connection, for a server that is not up yet. Without it, entering fails
        where the server cannot be reached.
        """
        return ReconnectingStream(
            lambda: self.open(options), backoff=backoff or Backoff(), wait_for_server=wait_for_server
        )

    async def annotate(self, image: bytes, min_score: float = 0.0) -> AnnotatedImage:
        """The labels found in one JPEG or PNG. `min_score` is 0..1; 0 takes the server's own thresholds."""
        stub = reaction_service_pb2_grpc.ReactionServiceStub(self._entered())
        request = reaction_service_pb2.AnnotateImageRequest(image=image, min_score=min_score)
        return decode_image(await self._unary(stub.AnnotateImage, request))

    async def status(self) -> ServerStatus:
        """The server's state, frame accounting, workers and latency. Only the operators' port answers."""
        return decode_status(await self._operate("GetStatus", operator_service_pb2.GetStatusRequest()))

    async def metrics(self) -> str:
        """The server's metrics in Prometheus' text format. Only the operators' port answers."""
        return str((await self._operate("GetMetrics", operator_service_pb2.GetMetricsRequest())).text)

    async def streams(self, page_size: int = 0, page_token: str = "") -> StreamPage:
        """The open streams as figures, one page: at most `page_size`, 0 for the server's own size."""
        request = operator_service_pb2.ListStreamsRequest(page_size=page_size, page_token=page_token)
        return decode_streams(await self._operate("ListStreams", request))

    async def drain(self, share: float = 1.0, *, deadline_ms: int = 0, exit: bool = False) -> Drained:
        """Asks a share of the server's streams, above 0 and at most 1, to move to another server.

        With the share 1 the server refuses new streams, until `resume`, or until its process has ended where `exit` is
        True. `deadline_ms` 0 takes the server's `server.drain_timeout_s`.
        """
        request = operator_service_pb2.DrainRequest(share=share, deadline_ms=deadline_ms, exit=exit)
        return decode_drained(await self._operate("Drain", request))

    async def resume(self) -> bool:
        """Makes the server take streams again after `drain`; False where it did not refuse any."""
        return bool((await self._operate("Resume", operator_service_pb2.ResumeRequest())).changed)

    async def reload_rules(self) -> RulesReloaded:
        """Makes the server read the file of its rule book. Raises InvalidRequest where the file has mistakes."""
        request = operator_service_pb2.ReloadRulesRequest()
        return decode_reloaded(await self._operate("ReloadRules", request))

    async def reload_gestures(self) -> GesturesReloaded:
        """Makes the server read its folder of custom gestures."""
        request = operator_service_pb2.ReloadGesturesRequest()
        return decode_gestures(await self._operate("ReloadGestures", request))

    async def set_log_level(self, level: str) -> str:
        """Changes the least severe level that is logged: debug, info, warning or error. Returns the one before."""
        request = operator_service_pb2.SetLogLevelRequest(level=level)
        return str((await self._operate("SetLogLevel", request)).previous)

    async def health(self, service: str = "") -> str:
        """The answer of grpc.health.v1, such as "SERVING" or "NOT_SERVING"."""
        stub = health_pb2_grpc.HealthStub(self._entered())
        response = await self._unary(stub.Check, health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    async def _operate(self, method: str, request: Any) -> Any:
        """A call of OperatorService, which only the operators' port answers."""
        stub = operator_service_pb2_grpc.OperatorServiceStub(self._entered())
        return await self._unary(getattr(stub, method), request)

    def _entered(self) -> Any:
        if self._channel is None:
            raise ClientError(
                "expected an entered client (async with ReactionClient(…)), got one that is not"
            )
        return self._channel

    async def _unary(self, call: Any, request: Any) -> Any:
        try:
            metadata = self._tokens.metadata(await self._tokens.current())
            return await call(request, timeout=self._options.call_timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise error_of(error.code(), error.details()) from None
