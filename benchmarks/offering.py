"""A WebRTC peer that offers video and sends packets as they are given, as a media server does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aioice import Candidate
from aiortc import RTCIceGatherer, RTCIceTransport
from aiortc.rtcicetransport import RTCIceParameters, candidate_from_aioice, candidate_to_aioice

from gifcue.ingest.webrtc.dtls import RtpTransport
from gifcue.ingest.webrtc.ice import LatestPath
from gifcue.ingest.webrtc.offer import OfferLimits, parse_offer

_LIMITS = OfferLimits(total_bytes=1024 * 1024, sections=1024, candidates=64)


@dataclass(frozen=True, slots=True)
class OfferedVideo:
    """One section of the offer. `track` is the name in `a=msid`."""

    track: str
    ssrc: int
    payload_type: int = 96
    encoding: str = "H264/90000"


class OfferingPeer:
    """`offer`, then `take_answer`, then `send`. `on_rtcp` gets the feedback. Always `close` it."""

    def __init__(self, videos: Sequence[OfferedVideo], on_rtcp: Callable[[bytes], None]) -> None:
        self._videos = videos
        self._transport = _new_transport()
        self._path = LatestPath(self._transport)
        self._dtls = RtpTransport(self._path, "active", lambda packet: None, on_rtcp)
        self._is_connected = False
        self._version = 0

    async def offer(self) -> str:
        """The offer, with this end's candidates. Again after `restart`."""
        gatherer = self._transport.iceGatherer
        await gatherer.gather()
        local = gatherer.getLocalParameters()
        candidates = [candidate_to_aioice(each).to_sdp() for each in gatherer.getLocalCandidates()]
        self._version += 1
        mids = " ".join(str(number) for number in range(len(self._videos)))
        lines = ["v=0", f"o=- 1 {self._version} IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
        for number, video in enumerate(self._videos):
            lines += [
                f"m=video 9 UDP/TLS/RTP/SAVPF {video.payload_type}",
                "c=IN IP4 0.0.0.0",
                f"a=ice-ufrag:{local.usernameFragment}",
                f"a=ice-pwd:{local.password}",
                *(f"a=fingerprint:{digest} {value}" for digest, value in self._dtls.fingerprints),
                "a=setup:actpass",
                f"a=mid:{number}",
                "a=rtcp-mux",
                "a=sendonly",
                f"a=rtpmap:{video.payload_type} {video.encoding}",
                *(f"a=rtcp-fb:{video.payload_type} {name}" for name in ("nack", "nack pli")),
                f"a=msid:stream {video.track}",
                f"a=ssrc:{video.ssrc} cname:offering",
                *([f"a=candidate:{each}" for each in candidates] if number == 0 else []),
            ]
        return "\r\n".join(lines) + "\r\n"

    async def take_answer(self, text: str) -> None:
        """Connects, or goes over to another path after `restart`.

        Raises:
            ConnectionError: there is no path, or the handshake fails.
        """
        answer = parse_offer(text, _LIMITS)
        transport = self._transport
        transport._connection.ice_controlling = True
        for each in answer.candidates:
            await transport.addRemoteCandidate(candidate_from_aioice(Candidate.from_sdp(each)))
        await transport.start(RTCIceParameters(answer.username, answer.password, False))
        await self._path.go_over(transport)
        if not self._is_connected:
            await self._dtls.handshake(answer.fingerprints)
            self._is_connected = True

    def restart(self) -> None:
        """The next offer restarts ICE."""
        self._transport = _new_transport()

    async def send(self, packet: bytes) -> None:
        """Encrypts an RTP packet and sends it.

        Raises:
            ConnectionError: the connection is lost.
        """
        await self._dtls.send(packet)

    async def close(self) -> None:
        """Ends the connection."""
        await self._dtls.stop()
        await self._transport.stop()
        await self._path.transport.stop()


def _new_transport() -> RTCIceTransport:
    return RTCIceTransport(RTCIceGatherer([]))
