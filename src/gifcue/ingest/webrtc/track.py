"""One video track of a peer: its packets, its access units, and what is asked of the peer."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncIterator, Callable, Mapping

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.receiver import PayloadFormat, VideoReceiver
from gifcue.ingest.rtp.reception import Reception
from gifcue.ingest.rtp.rtcp import ReportBlock, packets_missing
from gifcue.ingest.rtp.sdp import ORIENTATION_URI
from gifcue.ingest.rtp.source import RtpSource
from gifcue.ingest.webrtc.section import OfferedMedia
from gifcue.protocol.codecs import RTP_CLOCK_HZ

# Seconds that a missing packet is waited for: a round trip to the peer and back, and one repetition of the request.
WAIT_S = 0.2
# Seconds after which a missing packet is asked for again, and how often it is asked for.
NACK_INTERVAL_S = 0.06
NACK_TRIES = 3
# Packets that one request names. Where more are missing, a keyframe helps sooner.
MAX_NACK = 64

_HEADER = struct.Struct("!2xHII")


class VideoTrack:
    """Open until `close`. Iterate over `units` once.

    `media` is the section of the offer that it belongs to. `ssrc` is this end's, `now` the event loop's time in
    seconds. `send` sends RTCP.
    """

    def __init__(
        self, media: OfferedMedia, ssrc: int, send: Callable[[bytes], None], now: Callable[[], float]
    ) -> None:
        self.media = media
        formats = {each.number: PayloadFormat(each.codec) for each in media.codecs}
        orientation_id = (media.extensions or {}).get(ORIENTATION_URI)
        self._source = RtpSource(
            VideoReceiver(formats, orientation_id=orientation_id, wait_s=WAIT_S, ssrc=ssrc)
        )
        self._ssrc = ssrc
        self._send = send
        self._now = now
        self._reception: Reception | None = None
        self._asked: dict[
            int, tuple[int, float]
        ] = {}  # missing packets: how often they were asked for, and when
        self.keyframes_requested = 0

    @property
    def mid(self) -> str:
        """The name of its section in offers and answers."""
        return self.media.mid

    @property
    def receiver(self) -> VideoReceiver:
        """Its counters: packets, access units, and what was of no use."""
        return self._source.receiver

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason."""
        return self._source.dropped

    def units(self) -> AsyncIterator[AccessUnit]:
        """The access units, as they become complete, until `close`."""
        return self._source.units()

    async def next_unit(self) -> AccessUnit | None:
        """As `units`, one at a time; None once the track has ended. Can be cancelled and called again."""
        return await self._source.next_unit()

    def request_keyframe(self) -> None:
        """Sends a PLI to the peer, at most one within `gifcue.ingest.rtp.receiver.REQUEST_INTERVAL_S`. Does nothing
        before the first packet, after which a PLI is sent at once.
        """
        feedback = self.receiver.keyframe_request(self._now())
        if feedback is not None:
            self.keyframes_requested += 1
            self._send(feedback)

    def close(self) -> None:
        """Ends `units` once what waits is taken."""
        self._source.close()

    # Called by the connection

    def receive(self, packet: bytes) -> None:
        """One RTP packet of the track."""
        now_s = self._now()
        before = self.receiver.media_ssrc
        self._source.receive(packet, now_s)
        source = self.receiver.media_ssrc
        if source is None:
            return
        if source != before:
            # The peer may have begun before this end was ready.
            self._reception = Reception(source, RTP_CLOCK_HZ)
            self._asked.clear()
            self.request_keyframe()
        sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
        if self._reception is not None and ssrc == self._reception.ssrc:
            self._reception.take(sequence, timestamp, now_s)
        self.ask_again()

    def sender_report(self, ssrc: int, ntp: int) -> None:
        """The peer's report on what it sends."""
        if self._reception is not None and self._reception.ssrc == ssrc:
            self._reception.sender_report(ntp, self._now())

    def report(self) -> ReportBlock | None:
        """What to tell the peer of its packets; None before the first."""
        return None if self._reception is None else self._reception.report(self._now())

    def ask_again(self) -> None:
        """Asks for packets that are missing: each at once, and again while it is waited for."""
        missing = self.receiver.missing(MAX_NACK)
        if not missing:
            if self._asked:
                self._asked.clear()
            return
        now_s = self._now()
        asked: dict[int, tuple[int, float]] = {}
        due: list[int] = []
        for number in missing:
            tries, last_s = self._asked.get(number, (0, -math.inf))
            if tries < NACK_TRIES and now_s - last_s >= NACK_INTERVAL_S:
                due.append(number)
                tries, last_s = tries + 1, now_s
            asked[number] = (tries, last_s)
        self._asked = asked
        source = self.receiver.media_ssrc
        if due and source is not None:
            self._send(packets_missing(self._ssrc, source, due))

    @property
    def is_missing(self) -> bool:
        """Whether packets are waited for."""
        return bool(self._asked)
