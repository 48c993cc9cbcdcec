"""POST /annotations: one still over HTTP, as multipart with a field `img`.

A place is taken before the body is read. The body has to come at a minimum rate, so that a caller cannot keep a place
by sending slowly.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from gifcue.detect.regions import flatten
from gifcue.engine.engine import Engine
from gifcue.errors import GifcueError, Overloaded
from gifcue.media.still_admission import StillPlace
from gifcue.server.call_identity import caller_key
from gifcue.server.status_codes import status_of

# Room for the multipart envelope around an image of the greatest size.
_ENVELOPE_BYTES = 64 * 1024
# Fields of a form, of which `img` alone is used.
_MAX_PARTS = 16
# The least rate of a body, after the first seconds.
_GRACE_S = 2.0
_MIN_BYTES_PER_S = 64 * 1024
# When to come back where no worker is ready: a worker is restarted within about a second.
_RESTART_S = 1

T = TypeVar("T")


class StillHandler:
    """The handler. `clock` is the engine's, in seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    async def handle(self, request: web.Request) -> web.Response:
        """Answers with the labels found, the most probable first, or with an error."""
        limit = self._engine.limits.max_frame_bytes
        if not request.content_type.startswith("multipart/"):
            got = request.content_type
            return error_answer(400, f"expected multipart/form-data with a field `img`, got {got}")
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower()
        if encoding != "identity":
            return error_answer(415, f"expected a body without Content-Encoding, got {encoding[:40]}")
        if request.content_length is not None and request.content_length > limit + _ENVELOPE_BYTES:
            return error_answer(413, f"expected at most {limit} bytes, got {request.content_length}")
        try:
            with self._engine.enter_still(caller_key(), request.content_length) as place:
                return await self._annotate(request, place)
        except GifcueError as error:
            return refusal_of(error)

    async def _annotate(self, request: web.Request, place: StillPlace) -> web.Response:
        limit = self._engine.limits.max_frame_bytes
        try:
            image = await self._image(request, place)
        except web.HTTPRequestEntityTooLarge:
            return error_answer(413, f"expected at most {limit} bytes")
        except TimeoutError:
            answer = error_answer(408, f"expected a body of at least {_MIN_BYTES_PER_S} bytes a second")
            answer.force_close()
            return answer
        except (ValueError, LookupError, HttpProcessingError) as error:
            # Everything that aiohttp raises for a body that is no sound multipart.
            detail = " ".join(str(error).split())[:200]
            return error_answer(400, f"expected multipart/form-data with a field `img`: {detail}")
        if image is None:
            return error_answer(400, "expected a field `img` with a JPEG or PNG, got none")
        still = await self._engine.annotate(image, place)
        found = flatten(still.regions, still.model.thresholds)
        return web.json_response(
            [
                {"Label": each.label, "Probability": round(each.score, 4)}
                for each in sorted(found, key=lambda each: -each.score)
            ]
        )

    async def _image(self, request: web.Request, place: StillPlace) -> bytes | None:
        """The first field `img`; None where there is none.

        Parts are read by hand: `request.post` writes large ones to a temporary file, and no picture may reach a disk.

        Raises:
            web.HTTPRequestEntityTooLarge: the body is larger than a still may be.
            TimeoutError: the body comes too slowly.
            ValueError, LookupError, HttpProcessingError: it is no sound multipart.
        """
        limit = self._engine.limits.max_frame_bytes + _ENVELOPE_BYTES
        pace = _Pace(self._clock, place.deadline_s)
        reader = await request.multipart()
        for _ in range(_MAX_PARTS):
            try:
                part = await pace.within(reader.next())
            except RuntimeError as error:
                # This is what aiohttp raises for a field `_charset_` that names no character set.
                raise ValueError(str(error)) from error
            if part is None:
                return None
            if not isinstance(part, BodyPartReader):
                raise ValueError("got a multipart within the multipart")
            encoding = part.headers.get("Content-Transfer-Encoding", "binary").lower()
            if encoding not in ("binary", "8bit", "7bit"):
                raise ValueError(f"got a field with the transfer encoding {encoding}")
            data = bytearray()
            while chunk := await pace.within(part.read_chunk()):
                pace.received_bytes += len(chunk)
                if pace.received_bytes > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, pace.received_bytes)
                # Fields of other names are read past; only the picture is kept.
                if part.name == "img":
                    data += chunk
            if part.name == "img":
                return bytes(data)
        raise ValueError(f"got more than {_MAX_PARTS} fields")


class _Pace:
    """Bounds the time for the parts of a body."""

    def __init__(self, clock: Callable[[], float], deadline_s: float) -> None:
        self._clock = clock
        self._began_s = clock()
        self._deadline_s = deadline_s
        self.received_bytes = 0

    async def within(self, step: Awaitable[T]) -> T:
        """Raises TimeoutError where the step takes longer than the body may have taken by then."""
        due_s = self._began_s + _GRACE_S + self.received_bytes / _MIN_BYTES_PER_S
        async with asyncio.timeout(max(0.0, min(due_s, self._deadline_s) - self._clock())):
            return await step


def error_answer(status: int, message: str) -> web.Response:
    """An answer that says what is wrong."""
    return web.json_response({"error": message}, status=status)


def refusal_of(error: GifcueError) -> web.Response:
    """The answer to a request that an error of the core refuses."""
    answer = error_answer(status_of(error).http, str(error))
    if isinstance(error, Overloaded):
        answer.headers[hdrs.RETRY_AFTER] = str(math.ceil(error.retry_after_ms / 1000))
    elif error.retryable:
        answer.headers[hdrs.RETRY_AFTER] = str(_RESTART_S)
    return answer
