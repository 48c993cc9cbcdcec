"""The ports of a server. Each has the access control in front; TLS where it is configured."""

from __future__ import annotations

import asyncio

import grpc
from aiohttp import web

from gifcue.errors import ConfigError
from gifcue.server.access_guard import AccessGuard
from gifcue.server.exposure import is_exposed
from gifcue.server.grpc_access import AccessInterceptor
from gifcue.server.http_access import access_middleware
from gifcue.server.http_connections import BoundedConnection, ConnectionCounts, bounded_runner
from gifcue.server.settings import ServerSettings

# Streams on one connection are bounded by the server's own limit; this bounds what waits beside them, such as stills.
_CALLS_BESIDE_STREAMS = 256


# None of these is noticed by a media server: a client opens a connection again when its next call begins.
_CONNECTION_OPTIONS = (
    # From the connection's start to the client's settings, TLS included.
    ("grpc.server_handshake_timeout_ms", 5_000),
    # A connection without a call.
    ("grpc.max_connection_idle_ms", 60_000),
    # A client whose machine has gone is noticed within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A client may also ping between its streams.
    ("grpc.keepalive_permit_without_calls", 1),
    # Only messages that are not compressed: 2 MB may unpack to 2 GB, and encoded video does not get smaller.
    ("grpc.compression_enabled_algorithms_bitset", 1),
)


class GrpcPort:
    """A port for gRPC. Servicers are added to `server` before `start`.

    Args:
        setting: The name of the setting that gives the address, for messages.
        message_bytes: Bytes of one message that are received, at most.
        max_connections: Connections at the same time; further ones are closed as soon as they are accepted.
    """

    def __init__(
        self,
        guard: AccessGuard,
        setting: str,
        address: str,
        *,
        message_bytes: int,
        max_streams: int,
        max_connections: int,
    ) -> None:
        self.setting = setting
        self.max_connections = max_connections
        self._address = address
        self._guard = guard
        self.port = 0
        self.server = grpc.aio.server(
            interceptors=(AccessInterceptor(guard),),
            options=[
                ("grpc.max_receive_message_length", message_bytes),
                ("grpc.max_concurrent_streams", max_streams + _CALLS_BESIDE_STREAMS),
                ("grpc.max_allowed_incoming_connections", max_connections),
                ("grpc.so_reuseport", 0),  # two servers on one port are taken as a mistake
                # Half of what clients are told, because pings do not arrive as evenly as they are sent. gRPC closes the
                # connection at the third ping that comes too early without anything that the server sent in between.
                (
                    "grpc.http2.min_ping_interval_without_data_ms",
                    round(ServerSettings.min_ping_interval_s * 1000 / 2),
                ),
                *_CONNECTION_OPTIONS,
            ],
        )

    async def start(self, *, tls: bool) -> None:
        """Listens, with TLS if it is configured and `tls` is True.

        Raises:
            ConfigError: the address is taken or malformed.
        """
        try:
            if tls and self._guard.tls is not None:
                credentials = self._guard.tls.grpc_credentials()
                self.port = self.server.add_secure_port(self._address, credentials)
            else:
                self.port = self.server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise ConfigError(
                f"server.{self.setting}: expected a free address, got {self._address}: {error}"
            ) from None
        await self.server.start()

    async def stop(self, grace_s: float) -> None:
        """Refuses new calls, and cancels those that last longer than `grace_s` seconds."""
        await self.server.stop(grace=grace_s)


class HttpPort:
    """A port for HTTP. `setting` is the name of the setting that gives the address."""

    def __init__(self, guard: AccessGuard, setting: str, address: str, *, max_connections: int) -> None:
        self.setting = setting
        self.counts = ConnectionCounts(max_connections, guard.proxies)
        self._guard = guard
        self._address = address
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, application: web.Application, *, tls: bool) -> None:
        """Listens, with TLS if it is configured and `tls` is True.

        Raises:
            ConfigError: the address is taken or malformed.
        """
        # Outermost: a refused request reaches no other middleware.
        application.middlewares.insert(0, access_middleware(self._guard))
        context = self._guard.tls.http_context() if tls and self._guard.tls is not None else None
        runner = self._runner = bounded_runner(application)
        await runner.setup()
        serve = runner.server
        assert serve is not None, "expected a runner that is set up to have a server"
        host, _, port = self._address.rpartition(":")
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: BoundedConnection(serve, self.counts, context), host.strip("[]"), int(port)
            )
        except OSError as error:
            raise ConfigError(
                f"server.{self.setting}: expected a free address, got {self._address}: {error}"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the port and its connections."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()


def operators_need_tls(address: str) -> bool:
    """Whether a port of operators has TLS. On the loopback it would only make scrapers need the certificate's name."""
    return is_exposed(address)
