"""RTP over UDP, one video source on ports of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.ingest.rtp.receiver import DEFAULT_WAIT_S, PayloadFormat, VideoReceiver
from gifcue.ingest.rtp.source import RtpSource
from gifcue.ingest.rtp.udp import Address, UdpSocket

# Seconds of silence after which another address may send. Until then, packets from elsewhere are not taken.
ADDRESS_CHANGE_S = 5.0


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

    Raises, when it is entered:
        ListenError: a port cannot be opened.
    """

    def __init__(self, port: RtpPort) -> None:
        self._settings = port
        self._source = RtpSource(
            VideoReceiver(
                port.formats,
                orientation_id=port.orientation_id,
                wait_s=port.wait_s,
                ssrc=secrets.randbits(32),
            )
        )
        self._loop = asyncio.get_running_loop()
        self._sender: tuple[str, float] | None = None  # the address that is taken, and when it sent last
        self._rtp_peer: Address | None = None
        self._rtcp_peer: Address | None = None
        self._rtp: UdpSocket | None = None
        self._rtcp: UdpSocket | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        try:
            self._rtp = UdpSocket(settings.host, settings.port, self._on_rtp)
            if settings.rtcp_port != settings.port or settings.port == 0:
                self._rtcp = UdpSocket(settings.host, settings.rtcp_port, self._on_rtcp)
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
        return self._rtp.port

    @property
    def receiver(self) -> VideoReceiver:
        """Its counters: packets, access units, and what was of no use."""
        return self._source.receiver

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason."""
        return self._source.dropped

    def request_keyframe(self) -> None:
        """Sends a PLI to the source, at most one within `REQUEST_INTERVAL_S`."""
        feedback = self.receiver.keyframe_request(self._loop.time())
        peer = self._rtcp_peer or self._guessed_rtcp_peer()
        opened = self._rtcp or self._rtp
        if feedback is not None and peer is not None and opened is not None:
            opened.send(feedback, peer)

    def units(self) -> AsyncIterator[AccessUnit]:
        """The access units, as they become complete. Does not end by itself."""
        return self._source.units()

    def _close(self) -> None:
        self._source.close()
        for opened in (self._rtp, self._rtcp):
            if opened is not None:
                opened.close()

    def _on_rtp(self, datagram: bytes, peer: Address) -> None:
        now_s = self._loop.time()
        if not self._is_source(peer, now_s):
            self._source.dropped_before["other_address"] += 1
            return
        if is_rtcp(datagram):
            self._rtcp_peer = peer
            return
        self._rtp_peer = peer
        self._source.receive(datagram, now_s)

    def _on_rtcp(self, datagram: bytes, peer: Address) -> None:
        # Reports are not read. Their address is where feedback goes.
        if is_rtcp(datagram) and self._sender is not None and peer[0] == self._sender[0]:
            self._rtcp_peer = peer

    def _is_source(self, peer: Address, now_s: float) -> bool:
        wanted = self._settings.only_from
        if wanted is not None:
            return bool(peer[0] == wanted)
        if self._sender is None or peer[0] == self._sender[0] or now_s - self._sender[1] > ADDRESS_CHANGE_S:
            if self._sender is None or peer[0] != self._sender[0]:
                self._rtcp_peer = None
            self._sender = (peer[0], now_s)
            return True
        return False

    def _guessed_rtcp_peer(self) -> Address | None:
        # RFC 3550 section 11: RTCP is one port above RTP, unless something else was agreed.
        if self._rtp_peer is None:
            return None
        host, port, *rest = self._rtp_peer
        return (host, port if self._rtcp is None else port + 1, *rest)
