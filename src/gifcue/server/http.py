"""HTTP beside gRPC: probes, the GIFs, and annotations of single pictures. Operators' HTTP is in operator_http.py.

GET  /healthz      200 while the process runs
GET  /readyz       200 while a detector is warm and nothing drains, else 503
GET  /gifs/{name}  the GIF pack
POST /annotations  multipart `img` → [{"Label": "ok_hand", "Probability": 0.999}, ...]
"""

from __future__ import annotations

import math
from pathlib import Path

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from gifcue.detect.regions import flatten
from gifcue.engine.engine import Engine
from gifcue.errors import GifcueError, Overloaded
from gifcue.media.still_admission import StillPlace
from gifcue.server.call_identity import caller_key
from gifcue.server.probes import Probes
from gifcue.server.status_codes import status_of

# Room for the multipart envelope around an image of the greatest size.
_ENVELOPE_BYTES = 64 * 1024
# Fields of a form, of which `img` alone is used.
_MAX_PARTS = 16
# The longest name of a file: a longer one in a path raises OSError in the handler of static files.
_MAX_FILE_NAME_BYTES = 255


class HttpEdge:
    """The handlers. `gifs` is the folder behind /gifs/."""

    def __init__(self, engine: Engine, probes: Probes, gifs: Path) -> None:
        self._engine = engine
        self._probes = probes
        self._gifs = gifs

    def application(self) -> web.Application:
        """The aiohttp application that serves these handlers."""
        application = web.Application(middlewares=[_refuse_long_names])
        self._probes.add_to(application)
        application.router.add_post("/annotations", self._annotations)
        application.router.add_static("/gifs/", self._gifs)
        return application

    async def _annotations(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            got = request.content_type
            return _error(400, f"expected multipart/form-data with a field `img`, got {got}")
        try:
            with self._engine.enter_still(caller_key(), request.content_length) as place:
                return await self._annotated(request, place)
        except Overloaded as error:
            answer = _error(status_of(error).http, str(error))
            answer.headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
            return answer

    async def _annotated(self, request: web.Request, place: StillPlace) -> web.Response:
        try:
            image = await self._image(request)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"expected at most {self._engine.limits.max_frame_bytes} bytes")
        except (ValueError, LookupError, HttpProcessingError) as error:
            # Everything that aiohttp raises for a body that is no sound multipart.
            detail = " ".join(str(error).split())
            return _error(400, f"expected multipart/form-data with a field `img`: {detail}")
        if image is None:
            return _error(400, "expected a field `img` with a JPEG or PNG, got none")
        try:
            still = await self._engine.annotate(image, place)
        except GifcueError as error:
            return _error(status_of(error).http, str(error))
        found = flatten(still.regions, still.model.thresholds)
        return web.json_response(
            [
                {"Label": each.label, "Probability": round(each.score, 4)}
                for each in sorted(found, key=lambda each: -each.score)
            ]
        )

    async def _image(self, request: web.Request) -> bytes | None:
        """The first field `img`; None where there is none.

        Parts are read by hand: `request.post` writes large ones to a temporary file, and no picture may reach a disk.

        Raises:
            web.HTTPRequestEntityTooLarge: the body is larger than a still may be.
            ValueError, LookupError, HttpProcessingError: it is no sound multipart.
        """
        limit = self._engine.limits.max_frame_bytes + _ENVELOPE_BYTES
        if request.content_length is not None and request.content_length > limit:
            raise web.HTTPRequestEntityTooLarge(limit, request.content_length)
        reader = await request.multipart()
        read = 0
        for _ in range(_MAX_PARTS):
            part = await reader.next()
            if part is None:
                return None
            if not isinstance(part, BodyPartReader):
                raise ValueError("got a multipart within the multipart")
            encoding = part.headers.get("Content-Transfer-Encoding", "binary").lower()
            if encoding not in ("binary", "8bit", "7bit"):
                raise ValueError(f"got a field with the transfer encoding {encoding}")
            data = bytearray()
            while chunk := await part.read_chunk():
                read += len(chunk)
                if read > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, read)
                # Fields of other names are read past; only the picture is kept.
                if part.name == "img":
                    data += chunk
            if part.name == "img":
                return bytes(data)
        raise ValueError(f"got more than {_MAX_PARTS} fields")


@web.middleware
async def _refuse_long_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    longest = max(len(part.encode()) for part in request.path.split("/"))
    if longest > _MAX_FILE_NAME_BYTES:
        return _error(
            404, f"expected a path of names up to {_MAX_FILE_NAME_BYTES} bytes, got one of {longest}"
        )
    return await handler(request)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
