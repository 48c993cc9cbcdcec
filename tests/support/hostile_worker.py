"""Workers that an attacker has taken over: what a test sends them, they write to the front, byte for byte.

The decode worker writes the payload of each access unit, the still decoder each still, the detector worker the pixels
of each picture in a message. `whole` makes the bytes of one frame of the channel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from gifcue.detect.messages import Batch, InlinePicture
from gifcue.media.messages import Submit
from gifcue.media.still_messages import StillRequest
from gifcue.workers.channel import BlockingChannel, serve
from gifcue.workers.framing import Kind
from tests.support.fake_detector import INFO

DECODER = "tests.support.hostile_worker:decode"
STILLS = "tests.support.hostile_worker:decode_still"
DETECTOR = "tests.support.hostile_worker:detect"


def whole(body: Any, kind: int = Kind.MESSAGE) -> bytes:
    """A frame with this body: bytes as they are, anything else as msgpack."""
    data = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    return struct.pack("<IB", len(data), kind) + data


def decode(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """The target in the place of `gifcue.media.worker:main`."""

    def handle(message: Any) -> None:
        if isinstance(message, Submit):
            os.write(channel.fileno(), message.payload)

    channel.ready()
    serve(channel, handle)


def decode_still(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """The target in the place of `gifcue.media.still_worker:main`."""

    def handle(request: StillRequest) -> None:
        os.write(channel.fileno(), request.data)

    channel.ready()
    serve(channel, handle)


def detect(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """The target in the place of `gifcue.detect.worker:main`."""

    def handle(batch: Batch) -> None:
        for picture in batch.pictures:
            if isinstance(picture, InlinePicture):
                os.write(channel.fileno(), picture.rgb)

    channel.ready(INFO)
    serve(channel, handle)
