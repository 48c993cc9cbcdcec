"""RTP over UDP: the sockets of one video source, and its access units as they become complete."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from gifcue.errors import GifcueError
from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.ingest.rtp.receiver import DEFAULT_WAIT_S, PayloadFormat, VideoReceiver

# Bytes that the kernel may hold for the socket. A keyframe of 200 kB comes within a millisecond.
_SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
# What may wait for a slow server. It is two seconds of video at 30 frames a second.
MAX_WAITING_UNITS = 60
MAX_WAITING_BYTES = 8 * 1024 * 1024
# Seconds of silence after which another address may send. Until then, packets from elsewhere are not taken.
ADDRESS_CHANGE_S = 5.0

Address = tuple[Any, ...]


class ListenError(GifcueError):
    """A port that cannot be opened."""


@dataclass(frozen=True, slots=True)
class RtpPort:
    """Where RTP comes in. `rtcp_port` is the same as `port` where both share it (RFC 5761).

    A port of 0 takes a free one. `orientation_id` is the header extension `urn:3gpp:video-orientation`. `only_from` is
    the one IP address whose packets are taken; None takes the first sender's, until it is silent.
    """

    host: str
    port: int
    rtcp_port: int
    formats: Mapping[int, PayloadFormat]
    orientation_id: int | None = None
    only_from: str | None = None
    wait_s: float = DEFAULT_WAIT_S


class RtpListener:
    """Use it with `async with`, and iterate over `units` once.

    What a slow consumer does not take is dropped after `MAX_WAITING_UNITS` or `MAX_WAITING_BYTES`, and the unit that
    follows says that frames were lost.
    """

    def __init__(self, port: RtpPort) -> None:
        self._settings = port
        self._receiver = VideoReceiver(
            port.formats,
            orientation_id=port.orientation_id,
            wait_s=port.wait_s,
            ssrc=secrets.randbits(32),
        )
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[AccessUnit] = deque()
        self._waiting_bytes = 0
        self._lost_in_queue = False
        self._arrived = asyncio.Event()
        self._dropped: Counter[str] = Counter()
        self._source: tuple[str, float] | None = None  # the address that is taken, and when it sent last
        self._rtp_peer: Address | None = None
        self._rtcp_peer: Address | None = None
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        try:
            self._rtp = await self._open(self._settings.port, self._on_rtp)
            if self._settings.rtcp_port != self._settings.port or self._settings.port == 0:
                self._rtcp = await self._open(self._settings.rtcp_port, self._on_rtcp)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def port(self) -> int:
        """The port that is open for RTP."""
        assert self._rtp is not None
        return int(self._rtp.get_extra_info("sockname")[1])

    @property
    def receiver(self) -> VideoReceiver:
        """Its counters: packets, access units, and what was of no use."""
        return self._receiver

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason."""
        return self._dropped + Counter(self._receiver.dropped)

    def request_keyframe(self) -> None:
        """Sends a PLI to the source, at most one within half a second."""
        feedback = self._receiver.keyframe_request(self._loop.time())
        peer = self._rtcp_peer or self._guessed_rtcp_peer()
        transport = self._rtcp or self._rtp
        if feedback is not None and peer is not None and transport is not None:
            transport.sendto(feedback, peer)

    async def units(self) -> AsyncIterator[AccessUnit]:
        """The access units, as they become complete. Does not end by itself."""
        while True:
            while self._waiting:
                unit = self._waiting.popleft()
                self._waiting_bytes -= len(unit.payload)
                yield unit
            self._arrived.clear()
            await self._arrived.wait()

    async def _open(self, port: int, received: Any) -> asyncio.DatagramTransport:
        host = self._settings.host
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise ListenError(f"expected an IP address to listen on, got {host!r}") from None
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
            if address.is_multicast:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, port))
            if address.is_multicast:
                _join_group(opened, address)
        except OSError as error:
            opened.close()
            reason = error.strerror or str(error)
            raise ListenError(f"expected a free UDP port at {host}:{port}, got: {reason}") from None
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Datagrams(received), sock=opened)
        return transport

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for transport in (self._rtp, self._rtcp):
            if transport is not None:
                transport.close()

    def _on_rtp(self, datagram: bytes, peer: Address) -> None:
        now_s = self._loop.time()
        if not self._is_source(peer, now_s):
            self._dropped["other_address"] += 1
            return
        if is_rtcp(datagram):
            self._rtcp_peer = peer
            return
        self._rtp_peer = peer
        self._put(self._receiver.receive(datagram, now_s))
        self._set_timer()

    def _on_rtcp(self, datagram: bytes, peer: Address) -> None:
        # Reports are not read. Their address is where feedback goes.
        if is_rtcp(datagram) and self._source is not None and peer[0] == self._source[0]:
            self._rtcp_peer = peer

    def _is_source(self, peer: Address, now_s: float) -> bool:
        wanted = self._settings.only_from
        if wanted is not None:
            return bool(peer[0] == wanted)
        if self._source is None or peer[0] == self._source[0] or now_s - self._source[1] > ADDRESS_CHANGE_S:
            if self._source is None or peer[0] != self._source[0]:
                self._rtcp_peer = None
            self._source = (peer[0], now_s)
            return True
        return False

    def _guessed_rtcp_peer(self) -> Address | None:
        # RFC 3550 section 11: RTCP is one port above RTP, unless something else was agreed.
        if self._rtp_peer is None:
            return None
        host, port, *rest = self._rtp_peer
        return (host, port if self._rtcp is None else port + 1, *rest)

    def _put(self, units: list[AccessUnit]) -> None:
        for unit in units:
            size = len(unit.payload)
            if len(self._waiting) >= MAX_WAITING_UNITS or self._waiting_bytes + size > MAX_WAITING_BYTES:
                self._dropped["slow_server"] += 1
                self._lost_in_queue = True
                continue
            if self._lost_in_queue:
                unit = replace(unit, follows_loss=True)
                self._lost_in_queue = False
            self._waiting.append(unit)
            self._waiting_bytes += size
            self._arrived.set()

    def _set_timer(self) -> None:
        deadline_s = self._receiver.deadline_s
        if deadline_s is None or self._timer is not None:
            return
        self._timer = self._loop.call_at(deadline_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._put(self._receiver.poll(self._loop.time()))
        self._set_timer()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Any) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error for feedback that was sent: the source is gone or has no RTCP port. Video may still come."""


def _join_group(opened: socket.socket, group: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if group.version == 6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", 0))
    else:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + bytes(4))
