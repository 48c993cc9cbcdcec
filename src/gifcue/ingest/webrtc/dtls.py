"""Decrypted RTP below aiortc's receivers, which decode.

aiortc serves ICE, DTLS and SRTP, and documents each of these transports. It has no way to get at what a packet holds
before it is decoded. `RtpTransport` overrides the two methods that aiortc calls with each decrypted packet, and so none
of its receivers, jitter buffers and decoders exists. They are no part of aiortc's documented interface:
`tests/ingest/webrtc/test_dtls.py` fails where a version of aiortc changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport

from gifcue.ingest.webrtc.ice import DatagramPath

Received = Callable[[bytes], None]


class RtpTransport(RTCDtlsTransport):  # type: ignore[misc, unused-ignore]
    """Calls `on_rtp` and `on_rtcp` for each decrypted packet. `setup` is this end's role: active or passive.

    Nothing but media is taken: what a peer sends for data channels is discarded.
    """

    def __init__(self, path: DatagramPath, setup: str, on_rtp: Received, on_rtcp: Received) -> None:
        super().__init__(cast(RTCIceTransport, path), [RTCCertificate.generateCertificate()])
        self._set_role("client" if setup == "active" else "server")
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp

    @property
    def fingerprints(self) -> list[tuple[str, str]]:
        """The digests of this end's certificate: names and values."""
        return [(each.algorithm, each.value) for each in self.getLocalParameters().fingerprints]

    async def handshake(self, fingerprints: Any) -> None:
        """Returns once media can be received.

        Raises:
            ConnectionError: the peer does not complete the handshake, or has another certificate.
        """
        await self.start(RTCDtlsParameters([RTCDtlsFingerprint(*each) for each in fingerprints]))
        if self.state != "connected":
            raise ConnectionError(f"expected a peer that completes DTLS, got the state {self.state}")

    async def send(self, packet: bytes) -> None:
        """Encrypts RTCP and sends it.

        Raises:
            ConnectionError: the connection is not open.
        """
        await self._send_rtp(packet)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._on_rtcp(data)
