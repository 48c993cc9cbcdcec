"""RTP packets for tests: made by hand, or by FFmpeg's packetisers over a socket."""

from __future__ import annotations

import socket
import struct
from fractions import Fraction
from typing import Any

import av

from gifcue.ingest.rtp.packet import RtpPacket
from gifcue.protocol.codecs import RTP_CLOCK_HZ
from gifcue.sample_video.clips import EncodedClip

RECEIVE_TIMEOUT_S = 5.0
_FFMPEG_CODEC = {"h264": "h264", "h265": "hevc", "vp8": "vp8", "vp9": "vp9", "av1": "av1"}


def rtp(
    sequence: int,
    payload: bytes,
    *,
    timestamp: int = 0,
    marker: bool = False,
    payload_type: int = 96,
    ssrc: int = 7,
    extension: bytes = b"",
    padding: int = 0,
) -> bytes:
    """One datagram. `extension` is a whole header extension, its profile and length included."""
    first = 2 << 6 | (0x10 if extension else 0) | (0x20 if padding else 0)
    header = struct.pack(
        "!BBHII", first, marker << 7 | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return header + extension + payload + tail


def packet(sequence: int, *, timestamp: int = 0, marker: bool = False, payload: bytes = b"x") -> RtpPacket:
    """A parsed packet."""
    return RtpPacket(96, sequence & 0xFFFF, timestamp, 7, marker, payload)


def orientation(value: int) -> bytes:
    """A header extension of one-byte elements with the element 3, `urn:3gpp:video-orientation`."""
    return struct.pack("!HHBBxx", 0xBEDE, 1, 3 << 4, value)


def packetised(clip: EncodedClip) -> list[bytes]:
    """The clip's datagrams as FFmpeg's muxer sends them, RTCP included, with payload type 96."""
    datagrams: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        port = receiver.getsockname()[1]

        def pull() -> None:
            try:
                while True:
                    datagrams.append(receiver.recv(65536))
            except BlockingIOError:
                return

        output: Any = av.open(
            f"rtp://127.0.0.1:{port}?pkt_size=1200", "w", format="rtp", options={"strict": "experimental"}
        )
        stream = output.add_mux_stream(_FFMPEG_CODEC[clip.codec.value], rate=round(clip.fps))
        stream.time_base = Fraction(1, RTP_CLOCK_HZ)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        if clip.extradata:
            stream.codec_context.extradata = clip.extradata
        for each in clip.packets:
            made = av.Packet(each.payload)
            made.stream = stream
            made.pts = made.dts = each.pts
            made.time_base = Fraction(1, each.clock_hz)
            made.is_keyframe = each.keyframe
            output.mux(made)
            # Loopback delivers before `sendto` returns, and the socket's buffer holds one frame.
            pull()
        output.close()
        pull()
    return datagrams
