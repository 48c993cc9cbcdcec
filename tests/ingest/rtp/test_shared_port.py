from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.shared_port import SharedPort
from gifcue.ingest.rtp.udp import ListenError
from gifcue.protocol.codecs import Codec
from tests.ingest.rtp.kit import rtp
from tests.ingest.rtp.test_receiver import INTER, KEY
from tests.support.waiting import until

FORMATS = {96: PayloadFormat(Codec.VP8)}


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(30.0)
        yield opened


async def test_sources_are_told_apart_by_their_ssrc(sender: socket.socket) -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        to = ("127.0.0.1", port.port)
        first, second = port.open(FORMATS), port.open(FORMATS)
        sender.sendto(rtp(1, KEY, marker=True, ssrc=first.ssrcs[0]), to)
        sender.sendto(rtp(9, KEY, marker=True, ssrc=second.ssrcs[0]), to)
        sender.sendto(rtp(10, INTER, timestamp=3000, marker=True, ssrc=second.ssrcs[0]), to)
        await until(lambda: second.receiver.units == 2)
        assert first.receiver.units == 1
        assert first.dropped == second.dropped == port.dropped == {}


async def test_a_request_for_a_keyframe_goes_to_the_feedback_port_of_the_sender(
    sender: socket.socket,
) -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        source = port.open(FORMATS)
        source.request_keyframe()  # nobody has sent yet
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feedback:
            feedback.bind(("127.0.0.1", 0))
            feedback.settimeout(30.0)
            source.feedback_port = feedback.getsockname()[1]
            sender.sendto(rtp(1, INTER, marker=True, ssrc=source.ssrcs[0]), ("127.0.0.1", port.port))
            await until(lambda: source.keyframes_requested == 1)
            asked = feedback.recv(1500)
        assert asked[8:10] == bytes((0x81, 206))  # PLI, after an empty receiver report
        assert int.from_bytes(asked[16:20], "big") == source.ssrcs[0]


async def test_what_belongs_to_no_source_is_counted(sender: socket.socket) -> None:
    async with SharedPort("127.0.0.1", 0, only_from="127.0.0.1") as port:
        to = ("127.0.0.1", port.port)
        source = port.open(FORMATS)
        source.close()
        sender.sendto(rtp(1, KEY, ssrc=source.ssrcs[0]), to)
        sender.sendto(b"\x80\x60", to)
        sender.sendto(bytes((0x80,)) + bytes(11), to)  # how Janus begins a forward: no loss of anything
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.sendto(rtp(1, KEY), to)
        await until(lambda: sum(port.dropped.values()) == 3)
        assert port.dropped == {"unknown_source": 1, "malformed_packet": 1, "other_address": 1}


async def test_of_simulcast_layers_one_is_used(sender: socket.socket) -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        to = ("127.0.0.1", port.port)
        source = port.open(FORMATS, layers=2)
        for number in range(5):
            for ssrc in source.ssrcs:
                sender.sendto(rtp(number, KEY, timestamp=3000 * number, marker=True, ssrc=ssrc), to)
        await until(lambda: source.dropped.get("other_layer") == 5)
        assert source.layer == 1
        assert source.receiver.units == 5
        assert source.receiver.media_ssrc == source.ssrcs[1]


async def test_units_end_once_the_source_is_closed(sender: socket.socket) -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        source = port.open(FORMATS)
        sender.sendto(rtp(1, KEY, marker=True, ssrc=source.ssrcs[0]), ("127.0.0.1", port.port))
        await until(lambda: source.receiver.units == 1)
        source.close()
        source.close()
        assert len([unit async for unit in source.units()]) == 1


async def test_two_copies_of_a_source_are_one(sender: socket.socket) -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        source = port.open(FORMATS)
        for number in range(4):
            for _ in range(2):
                datagram = rtp(number, KEY, timestamp=3000 * number, marker=True, ssrc=source.ssrcs[0])
                sender.sendto(datagram, ("127.0.0.1", port.port))
        await until(lambda: source.receiver.packets == 8)
        assert source.receiver.units == 4
        assert source.dropped == {"duplicate": 4}


async def test_a_port_that_is_taken_is_named() -> None:
    async with SharedPort("127.0.0.1", 0) as port:
        with pytest.raises(ListenError, match=f"a free UDP port at 127.0.0.1:{port.port}"):
            async with SharedPort("127.0.0.1", port.port):
                pass
