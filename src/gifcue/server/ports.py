"""The ports of one server: which they are, what answers on each, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import grpc
from aiohttp import web
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gifcue.server.access_guard import AccessGuard
from gifcue.server.config import Settings
from gifcue.server.descriptors import connections_of
from gifcue.server.health import Health
from gifcue.server.listeners import GrpcPort, HttpPort, operators_need_tls

# Seconds that calls in work have when the ports close.
_UNARY_GRACE_S = 0.5


class Ports:
    """The ports by their settings: `listen`, `http_listen`, `operator_listen` and `operator_http_listen`."""

    def __init__(self, settings: Settings, guard: AccessGuard, health: Health) -> None:
        self._settings = settings
        self._guard = guard
        self._health = health
        self._connections = connections_of(settings)
        self.grpc: list[GrpcPort] = []
        self.http: list[HttpPort] = []

    def number(self, setting: str) -> int:
        """The port in use; 0 where there is none."""
        ports: Sequence[GrpcPort | HttpPort] = [*self.grpc, *self.http]
        return next((port.port for port in ports if port.setting == setting), 0)

    async def open_grpc(self, services: Sequence[Callable[[grpc.aio.Server], None]]) -> None:
        """Opens the port of clients. Each of `services` adds itself to the server.

        Raises:
            ConfigError: the address is taken or malformed.
        """
        port = self._grpc_port("listen", self._settings.server.listen, self._connections.grpc)
        for add in services:
            add(port.server)
        await port.start(tls=True)

    async def open_operator_grpc(
        self, add: Callable[[grpc.aio.Server], None], reflected: Sequence[str]
    ) -> None:
        """Opens the port of operators, if there is one. Reflection names the services `reflected`. Raises as above."""
        address = self._settings.server.operator_listen
        if not address:
            return
        port = self._grpc_port("operator_listen", address, self._connections.operator_grpc)
        add(port.server)
        names = (*reflected, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, port.server)
        await port.start(tls=operators_need_tls(address))

    async def open_http(self, application: web.Application) -> None:
        """Opens the HTTP port of clients. Raises as above."""
        address = self._settings.server.http_listen
        await self._http_port("http_listen", address, self._connections.http).start(application, tls=True)

    async def open_operator_http(self, application: web.Application) -> None:
        """Opens the HTTP port of operators. Raises as above."""
        address = self._settings.server.operator_http_listen
        port = self._http_port("operator_http_listen", address, self._connections.operator_http)
        await port.start(application, tls=operators_need_tls(address))

    async def close(self) -> None:
        """Closes all ports. Calls in work have half a second; watches of health never end by themselves."""
        closing: list[Coroutine[Any, Any, None]] = [port.stop(_UNARY_GRACE_S) for port in self.grpc]
        closing += [port.stop() for port in self.http]
        await asyncio.gather(*closing)

    def _grpc_port(self, setting: str, address: str, max_connections: int) -> GrpcPort:
        port = GrpcPort(
            self._guard,
            setting,
            address,
            message_bytes=self._settings.limits.max_message_bytes,
            max_streams=self._settings.server.max_streams,
            max_connections=max_connections,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, port.server)
        self.grpc.append(port)
        return port

    def _http_port(self, setting: str, address: str, max_connections: int) -> HttpPort:
        port = HttpPort(self._guard, setting, address, max_connections=max_connections)
        self.http.append(port)
        return port
