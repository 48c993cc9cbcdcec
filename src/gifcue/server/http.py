"""HTTP beside gRPC: streams over WebSocket, probes, the GIFs, and annotations of single pictures.

Operators' HTTP is in operator_http.py.

GET  /healthz      200 while the process runs
GET  /readyz       200 while a detector is warm and nothing drains, else 503
GET  /gifs/{name}  the GIF pack
GET  /stream       StreamReactions over WebSocket
POST /annotations  multipart `img` → [{"Label": "ok_hand", "Probability": 0.999}, ...]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from gifcue.engine.engine import Engine
from gifcue.server.http_stills import StillHandler, error_answer
from gifcue.server.probes import Probes
from gifcue.server.websocket import WEBSOCKET_PATH, WebSocketHandler

# The longest name of a file: a longer one in a path raises OSError in the handler of static files.
_MAX_FILE_NAME_BYTES = 255


def public_application(
    engine: Engine, probes: Probes, gifs: Path, websocket: WebSocketHandler, clock: Callable[[], float]
) -> web.Application:
    """The aiohttp application. `gifs` is the folder behind /gifs/, `clock` the engine's, in seconds."""
    application = web.Application(middlewares=[_refuse_long_names])
    probes.add_to(application)
    application.router.add_post("/annotations", StillHandler(engine, clock).handle)
    application.router.add_get(WEBSOCKET_PATH, websocket.handle, allow_head=False)
    application.router.add_static("/gifs/", gifs)
    return application


@web.middleware
async def _refuse_long_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    longest = max(len(part.encode()) for part in request.path.split("/"))
    if longest > _MAX_FILE_NAME_BYTES:
        return error_answer(
            404, f"expected a path of names up to {_MAX_FILE_NAME_BYTES} bytes, got one of {longest}"
        )
    return await handler(request)
