"""The bodies of teaching over HTTP, and how they are read."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from gifcue.engine.teaching import SeenHands
from gifcue.gestures.fit import MIN_SAMPLES
from gifcue.gestures.taught import MAX_GIF_NAME
from gifcue.gestures.trainer import MAX_OTHERS, MAX_SAMPLES, Hand

# 360 hands of 63 numbers take half of it.
MAX_BODY_BYTES = 1024 * 1024
_BODY_S = 10.0
# Share of other people's hands that may be taken for the gesture in training, by default. Measured on peace signs of
# two people: at 0.003, up to 3.2 of 1,000 strangers' hands were taken for it, at 0.001 up to 1.9.
MAX_FALSE = 0.001

T = TypeVar("T")


class TrainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    samples: Annotated[tuple[Hand, ...], Meta(min_length=MIN_SAMPLES, max_length=MAX_SAMPLES)]
    others: Annotated[tuple[Hand, ...], Meta(max_length=MAX_OTHERS)] = ()
    max_false: Annotated[float, Meta(ge=0.0, le=0.5)] = MAX_FALSE


class TryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str | None
    candidate: str | None = None


class KeepBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gif: Annotated[str, Meta(min_length=1, max_length=MAX_GIF_NAME)] | None = None
    replace: bool = False


class Refused(Exception):
    """The answer to a request that cannot be granted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The body as JSON of a type.

    Raises:
        Refused: it is not JSON, too large, too slow, or of another shape.
    """
    if request.content_type != "application/json":
        # A page of another site can send other types without asking.
        raise Refused(415, f"expected application/json, got {request.content_type[:80]}")
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refused(415, "expected a body without Content-Encoding, got one with it")
    if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
        raise Refused(413, f"expected at most {MAX_BODY_BYTES} bytes, got {request.content_length}")
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.content.iter_chunked(64 * 1024):
                data += chunk
                if len(data) > MAX_BODY_BYTES:
                    raise Refused(413, f"expected at most {MAX_BODY_BYTES} bytes, got more")
        return msgspec.json.decode(data, type=kind)
    except TimeoutError:
        raise Refused(408, f"expected the body within {_BODY_S:g} s") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"expected JSON as documented: {error}") from None


def line_of(seen: SeenHands, dropped: int) -> bytes:
    """A line for one frame. `dropped`: lines that this reader did not get because it was too slow."""
    hands = [
        {
            "score": round(hand.score, 4),
            "box": [round(side, 5) for side in (hand.box.ymin, hand.box.xmin, hand.box.ymax, hand.box.xmax)],
            # float32 has seven digits, and a landmark is no better than the fourth.
            "landmarks": [[round(float(value), 5) for value in point] for point in hand.landmarks],
        }
        for hand in seen.hands
        if hand.landmarks is not None
    ]
    value = {
        "participant": seen.participant_id,
        "sequence": seen.sequence,
        "aspect": round(seen.aspect, 5),
        "hands": hands,
        "dropped": dropped,
    }
    return json.dumps(value).encode() + b"\n"
