"""gRPC health: whether the server takes streams, and whether a restart is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from grpc_health.v1 import health, health_pb2

from gifcue.protocol.statistics import ServingState

log = structlog.get_logger()

# The service that orchestrators ask for liveness. It reports SERVING until only a restart helps.
LIVENESS_SERVICE = "gifcue.liveness"
_INTERVAL_S = 0.5
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Keeps the statuses of gRPC health up to date. `services` are those that serve while the server takes streams."""

    def __init__(
        self, services: Sequence[str], state: Callable[[], ServingState], is_alive: Callable[[], bool]
    ) -> None:
        self.servicer = health.aio.HealthServicer()
        self._services = ("", *services)
        self._state = state
        self._is_alive = is_alive
        self._updating = asyncio.Lock()
        self._shown: tuple[bool, bool] | None = None

    async def update(self) -> None:
        """Sets the statuses as of now."""
        # One at a time: the statuses of an older state must not come after those of a newer one.
        async with self._updating:
            await self._update()

    async def follow(self) -> None:
        """Keeps them up to date until it is cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.update()

    async def _update(self) -> None:
        state = self._state()
        is_serving, is_alive = state is ServingState.SERVING, self._is_alive()
        if (is_serving, is_alive) == self._shown:
            return
        # A drain is no change to warn of, and is logged by itself.
        if self._shown is not None and state is not ServingState.DRAINING:
            changed = log.info if is_serving and is_alive else log.warning
            changed("health changed", state=state.value, alive=is_alive)
        self._shown = is_serving, is_alive
        for service in self._services:
            await self.servicer.set(service, _SERVING if is_serving else _NOT_SERVING)
        await self.servicer.set(LIVENESS_SERVICE, _SERVING if is_alive else _NOT_SERVING)
