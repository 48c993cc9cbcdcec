"""The health of the fake server. See `gifcue.testing`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from grpc_health.v1 import health_pb2, health_pb2_grpc


class _Service(Protocol):
    health: health_pb2.HealthCheckResponse.ServingStatus
    silent: bool
    opened: asyncio.Condition


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers with the health of `service`, for every service by name."""

    def __init__(self, service: _Service) -> None:
        self._service = service

    async def Check(self, request: Any, context: Any) -> Any:
        return health_pb2.HealthCheckResponse(status=self._service.health)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        service = self._service
        while True:
            async with service.opened:
                await service.opened.wait_for(lambda: not service.silent)
            health = service.health
            yield health_pb2.HealthCheckResponse(status=health)
            async with service.opened:
                await service.opened.wait_for(lambda: service.health != health)  # noqa: B023
