"""Which track a packet of a connection belongs to."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping

from gifcue.ingest.rtp.packet import MalformedPacket, parse_rtp
from gifcue.ingest.webrtc.answer import MID_URI
from gifcue.ingest.webrtc.track import VideoTrack

_HEADER = struct.Struct("!xB6xI")
# Sources of one connection that are remembered, for each of its tracks. A peer names new ones as it likes.
MAX_SOURCES_PER_TRACK = 8


class PacketRouter:
    """Finds the track of a packet: by its source, which is learnt from the `mid` that a packet carries, from the offer,
    or from a payload type that only one track has (RFC 8843 section 9.2). A track whose offer names its sources is not
    found by a payload type: it might be another participant's video.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, VideoTrack] = {}
        self._sources: dict[int, VideoTrack] = {}
        self._dropped: Counter[str] = Counter()

    @property
    def tracks(self) -> Mapping[str, VideoTrack]:
        """By `mid`."""
        return self._tracks

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that belong to no track, by reason."""
        return +self._dropped

    def add(self, track: VideoTrack) -> None:
        """A new track, or what the latest offer says of one."""
        self._tracks[track.mid] = track
        for ssrc in track.media.ssrcs[:MAX_SOURCES_PER_TRACK]:
            self._learn(ssrc, track)

    def remove(self, track: VideoTrack) -> None:
        """The track has ended."""
        self._tracks.pop(track.mid, None)
        self._sources = {ssrc: each for ssrc, each in self._sources.items() if each is not track}

    def receive(self, packet: bytes) -> None:
        """Hands a decrypted RTP packet to its track, or counts it."""
        if len(packet) < _HEADER.size:
            self._dropped["malformed_packet"] += 1
            return
        second, ssrc = _HEADER.unpack_from(packet)
        track = self._sources.get(ssrc)
        if track is None:
            track = self._find(packet, second & 0x7F, ssrc)
            if track is None:
                return
            self._learn(ssrc, track)
        track.receive(packet)

    def sender_report(self, ssrc: int, ntp: int) -> None:
        """A report of the peer on one of its sources."""
        track = self._sources.get(ssrc)
        if track is not None:
            track.sender_report(ssrc, ntp)

    def _find(self, packet: bytes, payload_type: int, ssrc: int) -> VideoTrack | None:
        try:
            extensions = parse_rtp(packet).extensions
        except MalformedPacket:
            self._dropped["malformed_packet"] += 1
            return None
        candidates: list[VideoTrack] = []
        for track in self._tracks.values():
            number = (track.media.extensions or {}).get(MID_URI)
            name = None if number is None else extensions.get(number)
            if name is not None:
                if name == track.mid.encode():
                    return track
            elif track.media.ssrcs:
                if ssrc in track.media.ssrcs:
                    return track
            elif any(each.number == payload_type for each in track.media.codecs):
                candidates.append(track)
        if len(candidates) == 1:
            return candidates[0]
        self._dropped["unknown_source"] += 1
        return None

    def _learn(self, ssrc: int, track: VideoTrack) -> None:
        if len(self._sources) >= MAX_SOURCES_PER_TRACK * len(self._tracks):
            # The one that was learnt first. A source that is still in use is learnt again with its next packet.
            self._sources.pop(next(iter(self._sources)))
        self._sources[ssrc] = track
