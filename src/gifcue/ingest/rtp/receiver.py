"""One video source: datagrams in, access units out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.assembler import AssembledUnit, Assembler
from gifcue.ingest.rtp.jitter import JitterBuffer, Ordered
from gifcue.ingest.rtp.packet import MalformedPacket, RtpPacket, is_rtcp, parse_rtp
from gifcue.ingest.rtp.payloads import depacketizer_of
from gifcue.ingest.rtp.rtcp import full_intra_request, picture_loss
from gifcue.ingest.rtp.unwrap import Unwrapper
from gifcue.media.codecs import is_keyframe
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec

# Seconds that a missing packet is waited for. A retransmission takes a round trip; a late picture is of no use.
DEFAULT_WAIT_S = 0.1
# Time stamps that are further than this from the time of arrival belong to a clock that started anew.
MAX_CLOCK_STEP_S = 10.0
# Packets in a row by which another synchronization source takes over. One alone may be a stray.
SOURCE_CHANGE_PACKETS = 2
# Seconds between two requests for a keyframe. Browsers' encoders answer no faster, and a keyframe can be lost as well.
REQUEST_INTERVAL_S = 0.3


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """What packets of one payload type carry."""

    codec: Codec
    clock_hz: int = RTP_CLOCK_HZ


class VideoReceiver:
    """Everything between the socket and the access units, for one source at a time.

    `formats` tells what each payload type is. `orientation_id` is the local id of the header extension
    `urn:3gpp:video-orientation`. Times are seconds of any steady clock. Nothing raises: what cannot be used is counted
    in `dropped` by its reason.
    """

    def __init__(
        self,
        formats: Mapping[int, PayloadFormat],
        *,
        orientation_id: int | None = None,
        wait_s: float = DEFAULT_WAIT_S,
        ssrc: int = 1,
    ) -> None:
        self._formats = dict(formats)
        self._orientation_id = orientation_id
        self._wait_s = wait_s
        self._own_ssrc = ssrc
        self._media_ssrc: int | None = None
        self._candidate: tuple[int, int] | None = None  # another source, and its packets in a row
        self._payload_type: int | None = None
        self._jitter = JitterBuffer(wait_s)
        self._assembler: Assembler | None = None
        self._timeline = _Timeline()
        self._pending_loss = False
        self._rotation = 0
        self._last_request_s: float | None = None
        self._requests = 0
        self._dropped: Counter[str] = Counter()
        self.packets = 0
        self.units = 0

    @property
    def media_ssrc(self) -> int | None:
        """The synchronization source whose packets are taken; None before the first packet."""
        return self._media_ssrc

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason. `lost` are packets that never came."""
        dropped = self._dropped.copy()
        dropped["lost"] += self._jitter.lost
        dropped["late"] += self._jitter.late
        dropped["duplicate"] += self._jitter.duplicates
        if self._assembler is not None:
            dropped["malformed_payload"] += self._assembler.malformed
        return +dropped

    @property
    def deadline_s(self) -> float | None:
        """When `poll` is to be called although no datagram came; None: not at all."""
        return self._jitter.deadline_s

    def missing(self, at_most: int) -> list[int]:
        """The sequence numbers of packets that are waited for, the oldest first. A sender may repeat them."""
        return self._jitter.missing(at_most)

    def receive(self, datagram: bytes, now_s: float) -> list[AccessUnit]:
        """Takes a datagram; returns the access units that it completes."""
        if is_rtcp(datagram):
            return []
        try:
            packet = parse_rtp(datagram)
        except MalformedPacket:
            self._dropped["malformed_packet"] += 1
            return []
        self.packets += 1
        if packet.payload_type not in self._formats:
            # Retransmissions, redundancy and audio have payload types of their own.
            self._dropped["unknown_payload_type"] += 1
            return []
        if not self._is_from_source(packet):
            self._dropped["other_source"] += 1
            return []
        return self._units(self._jitter.put(packet, now_s), now_s)

    def poll(self, now_s: float) -> list[AccessUnit]:
        """Gives up waiting for packets that are overdue; returns the access units that this completes."""
        return self._units(self._jitter.flush(now_s), now_s)

    def keyframe_request(self, now_s: float, *, fir: bool = False) -> bytes | None:
        """The RTCP that asks the source for a keyframe: PLI, or FIR for senders that know no PLI. None where there is
        no source yet, or the last request was less than `REQUEST_INTERVAL_S` ago.
        """
        if self._media_ssrc is None:
            return None
        if self._last_request_s is not None and now_s - self._last_request_s < REQUEST_INTERVAL_S:
            return None
        self._last_request_s = now_s
        self._requests += 1
        if fir:
            return full_intra_request(self._own_ssrc, self._media_ssrc, self._requests)
        return picture_loss(self._own_ssrc, self._media_ssrc)

    def _is_from_source(self, packet: RtpPacket) -> bool:
        if self._media_ssrc is None:
            self._media_ssrc = packet.ssrc
        if packet.ssrc == self._media_ssrc:
            self._candidate = None
            return True
        count = 1
        if self._candidate is not None and self._candidate[0] == packet.ssrc:
            count = self._candidate[1] + 1
        self._candidate = (packet.ssrc, count)
        if count < SOURCE_CHANGE_PACKETS:
            return False
        # The packets of the old source that still wait are of no use: the new one begins with a keyframe.
        self._candidate = None
        self._media_ssrc = packet.ssrc
        self._forget_source()
        return True

    def _forget_source(self) -> None:
        for name, count in (
            ("lost", self._jitter.lost),
            ("late", self._jitter.late + self._jitter.waiting),
            ("duplicate", self._jitter.duplicates),
        ):
            self._dropped[name] += count
        self._jitter = JitterBuffer(self._wait_s)
        self._forget_format()
        self._timeline.restart()
        self._pending_loss = True
        self._rotation = 0

    def _forget_format(self) -> None:
        if self._assembler is not None:
            self._dropped["malformed_payload"] += self._assembler.malformed
        self._assembler = None
        self._payload_type = None

    def _units(self, packets: Iterable[Ordered], now_s: float) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        for ordered in packets:
            packet = ordered.packet
            if ordered.restarted:
                self._timeline.restart()
            if packet.payload and packet.payload_type != self._payload_type:
                # Senders change the codec between two frames, and start with a keyframe.
                self._forget_format()
                self._payload_type = packet.payload_type
            if self._assembler is None:
                depacketizer = depacketizer_of(self._formats[packet.payload_type].codec)
                self._assembler = Assembler(depacketizer, self._orientation_id)
            for unit in self._assembler.take(ordered):
                done = self._done(unit, self._formats[packet.payload_type], now_s)
                if done is not None:
                    units.append(done)
        return units

    def _done(self, unit: AssembledUnit, form: PayloadFormat, now_s: float) -> AccessUnit | None:
        pts = self._timeline.pts(unit.timestamp, form.clock_hz, now_s)
        if unit.orientation is not None:
            # 3GPP TS 26.114 section 7.4.5: the two low bits are the rotation in quarters, the third is the flip.
            self._rotation = 90 * (unit.orientation & 0x03)
        self._pending_loss = self._pending_loss or unit.follows_loss
        if not unit.payload:
            self._dropped["incomplete_unit"] += 1
            self._pending_loss = True
            return None
        follows_loss, self._pending_loss = self._pending_loss, False
        self.units += 1
        return AccessUnit(
            form.codec,
            unit.payload,
            pts,
            form.clock_hz,
            is_keyframe(form.codec, unit.payload),
            follows_loss,
            self._rotation,
            unit.temporal_layer,
        )


class _Timeline:
    """Time stamps of 32 bits as presentation times that neither wrap nor jump when a sender's clock starts anew."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper(32)
        self._offset = 0
        self._last: tuple[int, float] | None = None  # the newest pts, and when it arrived
        self._restarts = False

    def restart(self) -> None:
        """The next time stamp is one of another clock."""
        self._restarts = True

    def pts(self, timestamp: int, clock_hz: int, now_s: float) -> int:
        """The presentation time in ticks."""
        if self._last is None:
            self._last = (self._unwrapper.take(timestamp), now_s)
            return self._last[0]
        last, arrived_s = self._last
        expected = last + round((now_s - arrived_s) * clock_hz)
        pts = self._unwrapper.peek(timestamp) + self._offset
        if self._restarts or abs(pts - expected) > MAX_CLOCK_STEP_S * clock_hz:
            self._restarts = False
            self._unwrapper = Unwrapper(32)
            # After the frame before, whatever the times of arrival say.
            pts = max(expected, last + 1)
            self._offset = pts - self._unwrapper.take(timestamp)
        else:
            self._unwrapper.take(timestamp)
        if pts > last:
            self._last = (pts, now_s)
        return pts
