"""The probes of orchestrators over HTTP, on every HTTP port."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gifcue.protocol.statistics import ServingState


class Probes:
    """`state` gives the state of the server, `is_alive` whether it can do without a restart."""

    def __init__(self, state: Callable[[], ServingState], is_alive: Callable[[], bool]) -> None:
        self._state = state
        self._is_alive = is_alive

    def add_to(self, application: web.Application) -> None:
        """Adds /healthz and /readyz."""
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)

    async def _healthz(self, request: web.Request) -> web.Response:
        if self._is_alive():
            return web.json_response({"status": "alive"})
        return web.json_response({"status": "needs a restart"}, status=503)

    async def _readyz(self, request: web.Request) -> web.Response:
        state = self._state()
        status = 200 if state is ServingState.SERVING else 503
        return web.json_response({"status": state.value}, status=status)
