"""One UDP port for the video of many sources, which are told apart by their synchronization source (SSRC)."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.layers import LayerChoice
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.ingest.rtp.receiver import DEFAULT_WAIT_S, PayloadFormat, VideoReceiver
from gifcue.ingest.rtp.source import RtpSource
from gifcue.ingest.rtp.udp import Address, UdpSocket

_SSRC = struct.Struct("!8xI")


class SharedPort:
    """Use it with `async with`. A sender is told the SSRC of each source, and sends all of them here.

    The SSRCs are random, so that nobody who cannot read the traffic can send in a source's name. `only_from` is the one
    IP address whose packets are taken; None takes any.

    Raises, when it is entered:
        ListenError: the port cannot be opened.
    """

    def __init__(self, host: str, port: int, only_from: str | None = None) -> None:
        self._host = host
        self._wanted_port = port
        self._only_from = only_from
        self._loop = asyncio.get_running_loop()
        self._socket: UdpSocket | None = None
        self._sources: dict[int, tuple[SharedSource, int]] = {}  # by SSRC, with the layer that it stands for
        self._dropped: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._socket = UdpSocket(self._host, self._wanted_port, self._on_datagram)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for source in {source for source, _ in self._sources.values()}:
            source.close()
        if self._socket is not None:
            self._socket.close()

    @property
    def port(self) -> int:
        """The port that is open."""
        assert self._socket is not None
        return self._socket.port

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams that belong to no source, by reason."""
        return +self._dropped

    def open(
        self,
        formats: Mapping[int, PayloadFormat],
        *,
        layers: int = 1,
        orientation_id: int | None = None,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> SharedSource:
        """A new source of `layers` simulcast layers, of which the highest that flows is used."""
        ssrcs: list[int] = []
        while len(ssrcs) < layers:
            # Janus reads the numbers as positive ones, and takes 0 for none.
            ssrc = secrets.randbelow(2**32 - 1) + 1
            if ssrc not in self._sources and ssrc not in ssrcs:
                ssrcs.append(ssrc)
        receiver = VideoReceiver(
            formats, orientation_id=orientation_id, wait_s=wait_s, ssrc=secrets.randbits(32)
        )
        source = SharedSource(self, tuple(ssrcs), RtpSource(receiver))
        for layer, ssrc in enumerate(ssrcs):
            self._sources[ssrc] = (source, layer)
        return source

    def forget(self, source: SharedSource) -> None:
        """Called by the source when it is closed. What still comes of it is counted as of an unknown source."""
        for ssrc in source.ssrcs:
            self._sources.pop(ssrc, None)

    def send(self, datagram: bytes, to: Address) -> None:
        """Sends from the port."""
        if self._socket is not None:
            self._socket.send(datagram, to)

    def _on_datagram(self, datagram: bytes, peer: Address) -> None:
        if self._only_from is not None and peer[0] != self._only_from:
            self._dropped["other_address"] += 1
            return
        if len(datagram) < _SSRC.size:
            self._dropped["malformed_packet"] += 1
            return
        if is_rtcp(datagram):
            return  # reports, of no use here
        (ssrc,) = _SSRC.unpack_from(datagram)
        found = self._sources.get(ssrc)
        if found is None:
            # Janus begins each forward with packets without content, so that address translation lets answers through.
            if len(datagram) > _SSRC.size or ssrc:
                self._dropped["unknown_source"] += 1
            return
        source, layer = found
        source.receive(datagram, layer, peer, self._loop.time())


class SharedSource:
    """One source of a `SharedPort`. `feedback_port` is where its sender takes RTCP; None where it takes none."""

    def __init__(self, port: SharedPort, ssrcs: tuple[int, ...], source: RtpSource) -> None:
        self.ssrcs = ssrcs
        self.feedback_port: int | None = None
        self._port = port
        self._source = source
        self._layers = LayerChoice(len(ssrcs) - 1)
        self._peer: Address | None = None
        self._loop = asyncio.get_running_loop()
        self.keyframes_requested = 0

    @property
    def receiver(self) -> VideoReceiver:
        """Its counters: packets, access units, and what was of no use."""
        return self._source.receiver

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason."""
        return self._source.dropped

    @property
    def layer(self) -> int:
        """The simulcast layer that is used, 0 for the smallest picture."""
        return self._layers.current

    def units(self) -> AsyncIterator[AccessUnit]:
        """The access units, as they become complete, until `close`."""
        return self._source.units()

    def request_keyframe(self) -> None:
        """Sends a PLI to the sender, at most one within `REQUEST_INTERVAL_S`."""
        if self._peer is None or self.feedback_port is None:
            return
        feedback = self.receiver.keyframe_request(self._loop.time())
        if feedback is not None:
            self.keyframes_requested += 1
            host, _, *rest = self._peer
            self._port.send(feedback, (host, self.feedback_port, *rest))

    def close(self) -> None:
        """Ends `units`. Can be called more than once."""
        self._port.forget(self)
        self._source.close()

    def receive(self, datagram: bytes, layer: int, peer: Address, now_s: float) -> None:
        """Called by the port."""
        is_first = self._peer is None
        self._peer = peer
        before = self._layers.current
        if len(self.ssrcs) > 1 and not self._layers.take(layer, now_s):
            self._source.dropped_before["other_layer"] += 1
            return
        self._source.receive(datagram, now_s)
        if is_first or self._layers.current != before:
            # The source has begun in between two keyframes.
            self.request_keyframe()
