"""RTP over real sockets, handed on to a server without video."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from gifcue.client import KeyframeRequested, ReactionClient
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.rtp.listener import RtpListener, RtpPort
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.rtcp import receiver_reports
from gifcue.ingest.rtp.source import MAX_WAITING_UNITS
from gifcue.ingest.rtp.udp import ListenError
from gifcue.protocol.codecs import Codec
from gifcue.testing import FakeServer
from gifcue.testing.fake_stream import FakeStream
from gifcue.v1 import media_pb2
from tests.ingest.rtp.kit import orientation, rtp
from tests.ingest.rtp.test_receiver import INTER, KEY
from tests.support.waiting import until

FORMATS = {96: PayloadFormat(Codec.VP8), 97: PayloadFormat(Codec.H264)}
IDR = b"\x65\x88\x80"


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(30.0)
        yield opened


@contextlib.asynccontextmanager
async def fed(wait_s: float = 0.1) -> AsyncIterator[tuple[RtpListener, ParticipantFeed, FakeStream]]:
    """A listener whose access units go to a fake server, as the participant "ada"."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(FakeServer())
        client = await stack.enter_async_context(ReactionClient(server.target))
        stream = await stack.enter_async_context(client.reconnecting())
        listener = await stack.enter_async_context(
            RtpListener(RtpPort("127.0.0.1", 0, 0, FORMATS, orientation_id=3, wait_s=wait_s))
        )
        feed = ParticipantFeed(stream, "ada", ("smile",), listener.request_keyframe)

        async def forward() -> None:
            async for unit in listener.units():
                await feed.send(unit)

        forwarding = asyncio.create_task(forward())
        try:
            yield listener, feed, await server.service.stream(0)
        finally:
            forwarding.cancel()
            await feed.close()


async def test_frames_reach_the_server_and_a_loss_is_a_gap(sender: socket.socket) -> None:
    async with fed(wait_s=0.0) as (listener, _, seen):
        for number, payload in ((1, KEY), (2, INTER), (4, INTER), (5, KEY)):
            sender.sendto(
                rtp(number, payload, timestamp=3000 * number, marker=True), ("127.0.0.1", listener.port)
            )
        await seen.until(lambda stream: len(stream.frames) == 4)
        assert [(frame.pts, frame.sequence) for frame in seen.frames] == [
            (3000, 0),
            (6000, 1),
            (12_000, 3),
            (15_000, 4),
        ]
        assert [frame.keyframe for frame in seen.frames] == [True, False, False, True]
        assert seen.joins["ada"].allowed_labels == ["smile"]
        assert listener.dropped == {"lost": 1}


async def test_rotation_and_temporal_layer_reach_the_server(sender: socket.socket) -> None:
    async with fed(wait_s=0.0) as (listener, _, seen):
        # The descriptor of VP8 with its T bit tells the temporal layer.
        layered = [bytes((0x90, 0x20, layer << 6)) + KEY[1:] for layer in (0, 2)]
        extensions = [orientation(1), b"", orientation(2)]
        for number, (payload, extension) in enumerate(zip([*layered, KEY], extensions, strict=True), 1):
            datagram = rtp(number, payload, timestamp=3000 * number, marker=True, extension=extension)
            sender.sendto(datagram, ("127.0.0.1", listener.port))
        await seen.until(lambda stream: len(stream.frames) == 3)
        assert [frame.rotation for frame in seen.frames] == [90, 90, 180]
        known = [frame.temporal_layer if frame.HasField("temporal_layer") else None for frame in seen.frames]
        assert known == [0, 2, None]


async def test_a_change_of_codec_joins_again(sender: socket.socket) -> None:
    async with fed() as (listener, feed, seen):
        to = ("127.0.0.1", listener.port)
        sender.sendto(rtp(1, KEY, marker=True), to)
        await seen.until(lambda stream: len(stream.frames) == 1)
        sender.sendto(rtp(2, IDR, timestamp=3000, marker=True, payload_type=97), to)
        await seen.until(lambda stream: len(stream.frames) == 2)
        assert seen.joins["ada"].codec == media_pb2.CODEC_H264
        assert feed.sent == 2


async def test_a_request_for_a_keyframe_goes_to_where_rtcp_comes_from(sender: socket.socket) -> None:
    async with fed() as (listener, _, seen):
        assert listener._rtcp is not None
        rtcp_port = listener._rtcp.port
        sender.sendto(rtp(1, KEY, marker=True, ssrc=77), ("127.0.0.1", listener.port))
        await seen.until(lambda stream: len(stream.frames) == 1)
        (report,) = receiver_reports(77, [])
        sender.sendto(report, ("127.0.0.1", rtcp_port))
        await until(lambda: listener._rtcp_peer is not None)
        seen.say(KeyframeRequested("ada", "sequence_gap"))
        feedback = await asyncio.to_thread(sender.recv, 1500)
        # An empty receiver report, then PLI for the source 77.
        assert feedback[8:10] == bytes((0x81, 206))
        assert int.from_bytes(feedback[16:20], "big") == 77


async def test_packets_of_another_address_are_not_taken(sender: socket.socket) -> None:
    async with fed() as (listener, _, seen):
        to = ("127.0.0.1", listener.port)
        sender.sendto(rtp(1, KEY, marker=True), to)
        await seen.until(lambda stream: len(stream.frames) == 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(rtp(2, INTER, timestamp=3000, marker=True), to)
            await until(lambda: listener.dropped.get("other_address"))
        sender.sendto(rtp(2, KEY, timestamp=3000, marker=True), to)
        await seen.until(lambda stream: len(stream.frames) == 2)
        assert seen.frames[1].keyframe


async def test_what_a_slow_server_does_not_take_is_bounded_and_counted(sender: socket.socket) -> None:
    async with RtpListener(RtpPort("127.0.0.1", 0, 0, FORMATS)) as listener:
        count = MAX_WAITING_UNITS + 5
        for number in range(count):
            sender.sendto(rtp(number, KEY, timestamp=number, marker=True), ("127.0.0.1", listener.port))
        await until(lambda: listener.receiver.units == count)
        assert listener.dropped == {"slow_server": 5}
        units = listener.units()
        taken = [await anext(units) for _ in range(MAX_WAITING_UNITS)]
        sender.sendto(rtp(count, KEY, timestamp=count, marker=True), ("127.0.0.1", listener.port))
        last = await anext(units)
        assert not any(unit.follows_loss for unit in taken)
        assert last.follows_loss


async def test_a_port_that_is_taken_says_so(sender: socket.socket) -> None:
    port = sender.getsockname()[1]
    with pytest.raises(ListenError, match=f"a free UDP port at 127.0.0.1:{port}"):
        async with RtpListener(RtpPort("127.0.0.1", port, port, FORMATS)):
            pass
    with pytest.raises(ListenError, match="an IP address"):
        async with RtpListener(RtpPort("localhost", 0, 0, FORMATS)):
            pass
