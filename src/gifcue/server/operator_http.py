"""HTTP of operators.

GET /metrics  Prometheus' text format
GET /healthz  200 while the process runs
GET /readyz   200 while the server takes streams, else 503
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gifcue.server.metrics import CONTENT_TYPE
from gifcue.server.probes import Probes


def operator_application(probes: Probes, metrics: Callable[[], bytes]) -> web.Application:
    """The aiohttp application. `metrics` gives the text of /metrics."""

    async def get_metrics(request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/metrics", get_metrics)
    probes.add_to(application)
    return application
