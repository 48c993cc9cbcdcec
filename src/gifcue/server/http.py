"""HTTP beside gRPC: streams over WebSocket, web pages, probes, the GIFs, and annotations of single pictures.

Operators' HTTP is in operator_http.py.

GET  /healthz      200 while the process runs
GET  /readyz       200 while a detector is warm and nothing drains, else 503
GET  /gifs/{name}  the GIF pack
GET  /live         the page to try it live
GET  /static/...   what pages load
GET  /stream       StreamReactions over WebSocket
GET  /tap          the page that taps a call
GET  /teach        the page to teach a gesture; its calls, /teach/v1/..., are in http_teach.py
POST /whip/...     video by WebRTC, where it is configured: whip/handler.py
POST /annotations  multipart `img` → [{"Label": "ok_hand", "Probability": 0.999}, ...]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler

from gifcue.engine.engine import Engine
from gifcue.rules.references import origins_of
from gifcue.rules.watch import BookWatcher
from gifcue.server.http_stills import StillHandler, error_answer
from gifcue.server.http_teach import TeachHandler
from gifcue.server.probes import Probes
from gifcue.server.websocket import WEBSOCKET_PATH, WebSocketHandler
from gifcue.web.pages import LIVE, TAP, TEACH, add_pages

if TYPE_CHECKING:
    from gifcue.server.whip.service import WhipService

# The longest name of a file: a longer one in a path raises OSError in the handler of static files.
_MAX_FILE_NAME_BYTES = 255


def public_application(
    engine: Engine,
    probes: Probes,
    gifs: Path,
    book: BookWatcher,
    websocket: WebSocketHandler,
    teach: TeachHandler,
    clock: Callable[[], float],
    whip: WhipService | None = None,
) -> web.Application:
    """The aiohttp application.

    Args:
        gifs: The folder behind /gifs/.
        book: Says which other sites GIFs come from.
        clock: The engine's, in seconds.
        whip: Takes video by WebRTC; None where it is not configured.
    """
    application = web.Application(middlewares=[_refuse_long_names])
    probes.add_to(application)
    application.router.add_post("/annotations", StillHandler(engine, clock).handle)
    application.router.add_get(WEBSOCKET_PATH, websocket.handle, allow_head=False)
    teach.add_to(application)
    if whip is not None:
        whip.add_to(application)
    application.router.add_static("/gifs/", gifs)
    application.router.add_get("/", _to_live)
    add_pages(application, {**LIVE, **TEACH, **TAP}, GifOrigins(book))
    return application


class GifOrigins:
    """The sites that the GIFs of the rule book in force come from. They are looked up once for each book."""

    def __init__(self, book: BookWatcher) -> None:
        self._book = book
        self._of = book.book
        self._origins = origins_of(self._of)

    def __call__(self) -> frozenset[str]:
        if self._book.book is not self._of:
            self._of = self._book.book
            self._origins = origins_of(self._of)
        return self._origins


async def _to_live(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/live")


@web.middleware
async def _refuse_long_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    longest = max(len(part.encode()) for part in request.path.split("/"))
    if longest > _MAX_FILE_NAME_BYTES:
        return error_answer(
            404, f"expected a path of names up to {_MAX_FILE_NAME_BYTES} bytes, got one of {longest}"
        )
    return await handler(request)
