"""HTTP of operators.

GET  /metrics                   Prometheus' text format
GET  /healthz                   200 while the process runs
GET  /readyz                    200 while the server takes streams, else 503
GET  /operate                   the page of operators
GET  /static/...                what it loads
GET  /operator/v1/status        OperatorService.GetStatus
GET  /operator/v1/streams       OperatorService.ListStreams; page_size and page_token in the query
POST /operator/v1/drain         OperatorService.Drain
POST /operator/v1/resume        OperatorService.Resume
POST /operator/v1/reload-rules  OperatorService.ReloadRules
POST /operator/v1/reload-gestures  OperatorService.ReloadGestures
POST /operator/v1/log-level     OperatorService.SetLogLevel

The calls of OperatorService are JSON in protobuf's mapping: the body of a POST is the request. A POST must come from a
page of this very port, or say so (`http_access`), and must be JSON, which a form of another site cannot be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from google.protobuf import json_format

from gifcue.errors import GifcueError
from gifcue.server.http_stills import error_answer
from gifcue.server.metrics import CONTENT_TYPE
from gifcue.server.operations import Call, Operations
from gifcue.server.probes import Probes
from gifcue.server.status_codes import status_of
from gifcue.web.pages import OPERATE, add_pages

if TYPE_CHECKING:
    from google.protobuf.message import Message

# The root of the calls of OperatorService.
CALLS = "/operator/v1"
READS = {"status": "GetStatus", "streams": "ListStreams"}
ACTIONS = {
    "drain": "Drain",
    "resume": "Resume",
    "reload-rules": "ReloadRules",
    "reload-gestures": "ReloadGestures",
    "log-level": "SetLogLevel",
}
# Bytes of a request's body, and seconds for it.
_MAX_BODY_BYTES = 4096
_BODY_S = 5.0


def operator_application(
    probes: Probes, metrics: Callable[[], bytes], operations: Operations
) -> web.Application:
    """The aiohttp application. `metrics` gives the text of /metrics."""

    async def get_metrics(request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application(client_max_size=_MAX_BODY_BYTES)
    application.router.add_get("/metrics", get_metrics)
    for path, name in READS.items():
        application.router.add_get(f"{CALLS}/{path}", _Reader(operations.calls[name]).handle)
    for path, name in ACTIONS.items():
        application.router.add_post(f"{CALLS}/{path}", _Actor(operations.calls[name]).handle)
    probes.add_to(application)
    add_pages(application, OPERATE)
    application.router.add_get("/", _to_page)
    return application


async def _to_page(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/operate")


class _Reader:
    """Answers a GET, whose query has the fields of the request."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def handle(self, request: web.Request) -> web.Response:
        names = [name for name, _ in request.query.items()]
        if len(set(names)) < len(names):
            return error_answer(400, "expected each field of the query once, got one several times")
        return await _answer(
            self._call, lambda: json_format.ParseDict(dict(request.query), self._call.request())
        )


class _Actor:
    """Answers a POST, whose body is the request."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def handle(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            got = request.headers.get(hdrs.CONTENT_TYPE, "none")[:80]
            return error_answer(415, f"expected the Content-Type application/json, got {got}")
        try:
            async with asyncio.timeout(_BODY_S):
                body = await request.text()
        except TimeoutError:
            answer = error_answer(408, f"expected the body within {_BODY_S:g} s")
            answer.force_close()
            return answer
        except web.HTTPRequestEntityTooLarge:
            return error_answer(413, f"expected a body of at most {_MAX_BODY_BYTES} bytes")
        except (UnicodeError, LookupError):
            return error_answer(400, "expected a body in UTF-8")
        return await _answer(self._call, lambda: json_format.Parse(body or "{}", self._call.request()))


async def _answer(call: Call, parse: Callable[[], Message]) -> web.Response:
    try:
        request = parse()
    except (json_format.ParseError, RecursionError) as error:
        detail = " ".join(str(error).split())[:200]
        return error_answer(400, f"expected a {call.request.DESCRIPTOR.name} as JSON: {detail}")
    try:
        response = await call.answer(request)
    except GifcueError as error:
        return error_answer(status_of(error).http, str(error))
    text = json_format.MessageToJson(response, always_print_fields_with_no_presence=True, indent=None)
    headers = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, content_type="application/json", headers=headers)
