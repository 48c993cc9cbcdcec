"""The parts of aiortc and aioice that are used and not documented are as they were when this was written."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCDtlsTransport, RTCIceTransport

from gifcue.ingest.webrtc.dtls import RtpTransport

CHANGED = (
    "aiortc has changed its seam: look at gifcue.ingest.webrtc.dtls, and at docs/decisions/0043-webrtc.md"
)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (RTCDtlsTransport._handle_rtp_data, ["self", "data", "arrival_time_ms"]),
        (RTCDtlsTransport._handle_rtcp_data, ["self", "data"]),
        (RTCDtlsTransport._send_rtp, ["self", "data"]),
    ],
)
def test_the_methods_that_see_decrypted_packets(method: Callable[..., Any], parameters: list[str]) -> None:
    assert inspect.iscoroutinefunction(method), CHANGED
    assert list(inspect.signature(method).parameters) == parameters, CHANGED


def test_every_decrypted_packet_goes_through_them() -> None:
    source = inspect.getsource(RTCDtlsTransport._recv_next)
    for call in ("self._handle_rtp_data(data", "self._handle_rtcp_data(data", "self.transport._recv()"):
        assert call in source, CHANGED
    for own in (RtpTransport._handle_rtp_data, RtpTransport._handle_rtcp_data):
        assert inspect.iscoroutinefunction(own)


async def test_the_path_is_what_the_dtls_transport_uses() -> None:
    # `DatagramPath` has all that it uses of an RTCIceTransport, but for statistics.
    used = {
        line.split("self.transport.")[1].split("(")[0].split(")")[0].split(",")[0].strip()
        for line in inspect.getsource(RTCDtlsTransport).splitlines()
        if "self.transport." in line
    }
    assert {each.split(" ")[0].rstrip(":") for each in used} == {"_recv", "_send", "role"}, CHANGED
    assert hasattr(RTCIceTransport, "role")


def test_the_format_of_stun() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "a:b"})
    message.add_message_integrity(b"password")
    read = stun.parse_message(bytes(message))
    assert read.check_message_integrity(b"password")
    assert not read.check_message_integrity(b"other")
    assert stun.COOKIE == 0x2112A442


class Path:
    """One direction of a path in memory: what is sent is kept, and never answered."""

    role = "controlled"

    def __init__(self, *waiting: bytes) -> None:
        self.waiting = list(waiting)
        self.sent: list[bytes] = []
        self.is_waiting = asyncio.Event()

    async def _recv(self) -> bytes:
        if self.waiting:
            return self.waiting.pop(0)
        self.is_waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, data: bytes) -> None:
        self.sent.append(data)


async def test_what_a_handshake_sends_before_the_peer_has_answered() -> None:
    # A peer may pretend to be another address. docs/ingest.md says what that address gets.
    hello = Path()
    await _begin(hello, "active")
    flight = Path(*hello.sent)
    await _begin(flight, "passive")
    assert 300 < sum(map(len, flight.sent)) < 1024


async def _begin(path: Path, setup: str) -> None:
    transport = RtpTransport(path, setup, lambda _: None, lambda _: None)
    handshake = asyncio.create_task(transport.handshake([("sha-256", "00")]))
    await path.is_waiting.wait()
    handshake.cancel()
    await asyncio.wait({handshake})
