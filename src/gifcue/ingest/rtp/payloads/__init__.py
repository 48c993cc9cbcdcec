"""The RTP payload formats of video. Each takes the payloads of one access unit in order, and makes its bytes."""

from __future__ import annotations

from typing import Protocol

from gifcue.ingest.rtp.payloads.av1 import Av1Depacketizer
from gifcue.ingest.rtp.payloads.h264 import H264Depacketizer
from gifcue.ingest.rtp.payloads.h265 import H265Depacketizer
from gifcue.ingest.rtp.payloads.vp8 import Vp8Depacketizer
from gifcue.ingest.rtp.payloads.vp9 import Vp9Depacketizer
from gifcue.protocol.codecs import Codec


class Depacketizer(Protocol):
    """Collects one access unit after another."""

    @property
    def temporal_layer(self) -> int | None:
        """The temporal layer of the access unit in work; None where its packets do not tell."""

    def take(self, payload: bytes) -> None:
        """Takes the payload of the next packet of the access unit.

        Raises:
            MalformedPacket: it does not follow the payload format.
        """

    def finish(self) -> bytes | None:
        """Ends the access unit: its bytes as the wire wants them, or None where its start or its end is missing."""

    def reset(self) -> None:
        """Forgets the access unit in work: a packet of it was lost."""


def depacketizer_of(codec: Codec) -> Depacketizer:
    """A depacketizer of the codec's payload format.

    Raises:
        ValueError: there is no such format here.
    """
    match codec:
        case Codec.H264:
            return H264Depacketizer()
        case Codec.H265:
            return H265Depacketizer()
        case Codec.VP8:
            return Vp8Depacketizer()
        case Codec.VP9:
            return Vp9Depacketizer()
        case Codec.AV1:
            return Av1Depacketizer()
        case _:
            raise ValueError(f"expected a codec of h264, h265, vp8, vp9, av1, got {codec.value}")


__all__ = ["Depacketizer", "depacketizer_of"]
