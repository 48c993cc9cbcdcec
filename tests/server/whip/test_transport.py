"""What a WHIP sender's video becomes on the wire, and what the server's answers become."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from gifcue.ingest.access_unit import AccessUnit
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Fault, Gif, KeyframeRequested, Reaction, ServerEvent
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.requests import EncodedFrame, Join, Request, StatisticsRequest, StreamOptions
from gifcue.protocol.wire.requests import decode_request
from gifcue.protocol.wire.responses import encode_response
from gifcue.server.transport import OK
from gifcue.server.whip import transport as module
from gifcue.server.whip.events import MAX_EVENTS_WAITING, RoomEvents
from gifcue.server.whip.transport import Published, WhipTransport
from gifcue.v1 import reaction_service_pb2 as pb


class Video:
    """A track that has these units, and ends."""

    def __init__(self, *units: AccessUnit, ends: bool = True) -> None:
        self.units = deque(units)
        self.requested = 0
        self.closed = False
        self.ends = ends

    async def next_unit(self) -> AccessUnit | None:
        if not self.units and not self.ends:
            await asyncio.Event().wait()
        return self.units.popleft() if self.units else None

    def request_keyframe(self) -> None:
        self.requested += 1

    def close(self) -> None:
        self.closed = True


def unit(
    pts: int, codec: Codec = Codec.VP8, *, keyframe: bool = False, follows_loss: bool = False
) -> AccessUnit:
    return AccessUnit(codec, b"x", pts, 90_000, keyframe, follows_loss, 90, 1)


def opened(video: Video, keep_alive_s: float = 60.0) -> tuple[WhipTransport, list[Published]]:
    published: list[Published] = []
    transport = WhipTransport(
        video,
        StreamOptions("room", "WHIP test"),
        "ada",
        ["smile"],
        peer="whip:test",
        keep_alive_s=keep_alive_s,
        publish=published.append,
    )
    return transport, published


async def received(transport: WhipTransport, count: int = 100) -> list[Request | None]:
    messages: list[Request | None] = []
    while len(messages) < count and (data := await transport.receive()) is not None:
        messages.append(decode_request(pb.StreamReactionsRequest.FromString(data)))
    return messages


async def send(transport: WhipTransport, event: ServerEvent) -> None:
    await transport.send(encode_response(event).SerializeToString())


async def test_frames_are_those_of_a_participant_that_joins_with_the_first() -> None:
    transport, _ = opened(Video(unit(0, keyframe=True), unit(3000), unit(9000, follows_loss=True)))
    config, join, *frames = await received(transport)
    assert isinstance(config, StreamOptions)
    assert (config.room_id, config.client_name) == ("room", "WHIP test")
    assert join == Join("ada", Codec.VP8, b"", ("smile",))
    assert frames == [
        EncodedFrame("ada", 0, 0, 90_000, True, b"x", 90, 1),
        EncodedFrame("ada", 1, 3000, 90_000, False, b"x", 90, 1),
        EncodedFrame("ada", 3, 9000, 90_000, False, b"x", 90, 1),  # a gap for what is lost
    ]


async def test_another_codec_is_another_join() -> None:
    transport, _ = opened(Video(unit(0, keyframe=True), unit(3000, Codec.H264, keyframe=True)))
    joins = [each for each in await received(transport) if isinstance(each, Join)]
    assert [each.codec for each in joins] == [Codec.VP8, Codec.H264]


async def test_a_keyframe_is_asked_for_until_it_comes() -> None:
    video = Video(unit(0), unit(1), unit(2, keyframe=True), unit(3))
    transport, _ = opened(video)
    await received(transport, 3)
    await send(transport, KeyframeRequested("ada", "x"))
    assert video.requested == 1
    await received(transport)
    assert video.requested == 2  # again with the frame before the keyframe, and not after it


async def test_a_join_that_is_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    video = Video(unit(0), unit(1), unit(2), ends=True)
    transport, published = opened(video)
    await received(transport, 3)
    await send(transport, Fault("ada", FaultCode.TOO_MANY_PARTICIPANTS, "expected fewer", 0, 1))
    assert await received(transport) == []  # frames of nobody are not sent, and are counted
    assert transport.not_sent == 2
    assert [type(each) for each in published] == [Fault]
    monkeypatch.setattr(module, "REJOIN_S", 0.0)
    await send(transport, Fault("ada", FaultCode.TOO_MANY_PARTICIPANTS, "expected fewer", 0, 1))
    video.units.append(unit(3))
    assert [type(each) for each in await received(transport)] == [Join, EncodedFrame]


async def test_a_camera_that_is_off_keeps_the_stream() -> None:
    transport, _ = opened(Video(ends=False), keep_alive_s=0.01)
    assert (await received(transport, 3))[1:] == [StatisticsRequest(), StatisticsRequest()]


async def test_the_end_of_the_stream_ends_the_video() -> None:
    video = Video(ends=False)
    transport, _ = opened(video)
    await transport.close(OK)
    assert video.closed
    assert transport.status is OK


def reaction(label: str = "smile", url: str = "/gifs/a.gif") -> Reaction:
    gif = Gif("a", url, "A", "image/gif", 1)
    box = Box(0, 0, 1, 1)
    return Reaction("ada", "r1", Phase.STARTED, label, 1.0, 0.9, box, 0, 90_000, 3, 20.0, "1", gif)


async def test_listeners_hear_of_their_room_alone() -> None:
    events = RoomEvents("https://gifs.example.org")
    mine, other = events.open("a", "somebody"), events.open("b", "somebody")
    assert mine is not None
    assert other is not None
    events.publish("a", "ada", reaction())
    line = (await mine.take()).decode()
    assert line.startswith("event: reaction\ndata: {")
    assert '"url": "https://gifs.example.org/gifs/a.gif"' in line
    assert '"phase": "STARTED"' in line
    events.publish("b", "ada", reaction(url="https://elsewhere.example.org/x.gif"))
    assert "https://elsewhere.example.org/x.gif" in (await other.take()).decode()


def test_a_listener_that_does_not_read_is_cut_off() -> None:
    events = RoomEvents("")
    slow = events.open("a", "somebody")
    assert slow is not None
    for _ in range(MAX_EVENTS_WAITING + 1):
        events.publish("a", "ada", reaction())
    assert slow.is_cut
    events.close(slow)
    assert (events.count, events.cut) == (0, 1)


def test_names_cannot_write_events_of_their_own() -> None:
    events = RoomEvents("")
    listener = events.open("a", "somebody")
    assert listener is not None
    events.publish("a", "x\n\nevent: reaction\ndata: {}", reaction())
    waiting = listener._waiting.get_nowait()
    assert waiting.count(b"\n") == 3
