"""`ReactionClient`: the connections to one or several gifcue servers, and every call on them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.client.exceptions import ClientError, error_of
from gifcue.client.options import Backoff, ConnectionOptions
from gifcue.client.pool import ServerPool
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.route import PlacedRoute, PlacedSeat, placement_key
from gifcue.client.servers import NamedServers, Resolver, Server
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
    """The connections to `target`, which is one of these:

    - "host:port", or any target that grpc resolves, such as "dns:///gifcue:50051": one server, or a proxy of several.
    - A list of such addresses, or of `Server`: streams are placed among them by their room. A host name in the list
      stands for all of its addresses, so that one name can stand for a whole fleet.
    - A resolver, an asynchronous function that returns such a list: it is called again when a stream is placed.

    All streams of a room go to one server while that one can be used, from whichever client they come
    (`gifcue.client.placement`). A stream that reconnects goes on to the next server of its room's order.

    Used with `async with`. Connects at the first call. Every call raises errors of `gifcue.client.exceptions`.
    """

    def __init__(
        self, target: str | Sequence[str | Server] | Resolver, options: ConnectionOptions | None = None
    ) -> None:
        self._single: Server | None = None
        if isinstance(target, str):
            self._single = single = Server(target)
            self._target = target

            async def only() -> tuple[Server]:
                return (single,)

            self._resolver: Resolver = only
        elif callable(target):
            self._target, self._resolver = "servers of a resolver", target
        else:
            self._resolver = NamedServers(target)
            self._target = ", ".join(each if isinstance(each, str) else each.address for each in target)
        self._options = options or ConnectionOptions()
        self._tokens = TokenSource(self._options.token, self._options.metadata)
        self._pool: ServerPool | None = None

    @property
    def target(self) -> str:
        """The addresses to which it connects, as text for people."""
        return self._target

    async def __aenter__(self) -> Self:
        # The health of a single server decides nothing: there is no other one to go to.
        is_single = self._single is not None
        self._pool = ServerPool(self._resolver, self._options, self._tokens, watches=not is_single)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def open(self, options: StreamOptions | None = None) -> ReactionStream:
        """A stream, opened by `async with`. It ends when its connection ends."""
        options = options or StreamOptions()
        seat = PlacedSeat(self._entered(), placement_key(options))
        return ReactionStream(seat, options, self._options, self._tokens)

    def reconnecting(
        self,
        options: StreamOptions | None = None,
        backoff: Backoff | None = None,
        wait_for_server: bool = False,
    ) -> ReconnectingStream:
        """A stream that reconnects when its connection is lost, opened by `async with`.

        `wait_for_server` also retries the first connection, for a server that is not up yet. Without it, entering fails
        where no server can be reached.
        """
        backoff = backoff or Backoff()
        route = PlacedRoute(self._entered(), options or StreamOptions(), self._options, self._tokens, backoff)
        return ReconnectingStream(route, backoff=backoff, wait_for_server=wait_for_server)

    async def annotate(self, image: bytes, min_score: float = 0.0) -> AnnotatedImage:
        """The labels found in one JPEG or PNG. `min_score` is 0..1; 0 takes the server's own thresholds."""
        stub = reaction_service_pb2_grpc.ReactionServiceStub(await self._any_channel())
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
        stub = health_pb2_grpc.HealthStub(self._only_channel())
        response = await self._unary(stub.Check, health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    async def _operate(self, method: str, request: Any) -> Any:
        """A call of OperatorService, which only the operators' port answers."""
        stub = operator_service_pb2_grpc.OperatorServiceStub(self._only_channel())
        return await self._unary(getattr(stub, method), request)

    def _entered(self) -> ServerPool:
        if self._pool is None:
            raise ClientError(
                "expected an entered client (async with ReactionClient(…)), got one that is not"
            )
        return self._pool

    def _only_channel(self) -> Any:
        """The channel of a client that has one server, for calls that mean a certain one."""
        pool = self._entered()
        if self._single is None:
            raise ClientError(f"expected a client of one server for this call, got one of {self._target}")
        return pool.channel(self._single)

    async def _any_channel(self) -> Any:
        """The channel of some server that can be used."""
        pool = self._entered()
        await pool.refresh()
        return pool.channel(pool.placement.choose(secrets.token_hex(8)))

    async def _unary(self, call: Any, request: Any) -> Any:
        try:
            metadata = self._tokens.metadata(await self._tokens.current())
            return await call(request, timeout=self._options.call_timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise error_of(error.code(), error.details(), error.trailing_metadata()) from None
