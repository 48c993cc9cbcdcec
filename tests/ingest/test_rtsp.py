"""Network cameras: a small RTSP server that sends H.264 over RTP, interleaved in its TCP connection."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from gifcue.ingest.reader import reading
from gifcue.ingest.source import open_source
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames

FPS = 10.0
MTU = 1200
SPS, PPS = 7, 8


def nal_units(payload: bytes) -> list[bytes]:
    return [unit.lstrip(b"\0") for unit in payload.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


def rtp(clip: EncodedClip) -> Iterator[bytes]:
    """RTP packets of RFC 6184: single NAL units, and FU-A for large ones, framed as in RFC 2326 section 10.12."""
    sequence = 0
    for packet in clip.packets:
        parts: list[bytes] = []
        for unit in nal_units(packet.payload):
            if len(unit) <= MTU:
                parts.append(unit)
                continue
            indicator, kind = (unit[0] & 0xE0) | 28, unit[0] & 0x1F
            chunks = [unit[at : at + MTU] for at in range(1, len(unit), MTU)]
            for number, chunk in enumerate(chunks):
                edge = (0x80 if number == 0 else 0) | (0x40 if number == len(chunks) - 1 else 0)
                parts.append(bytes([indicator, edge | kind]) + chunk)
        for number, part in enumerate(parts):
            marker = 0x80 if number == len(parts) - 1 else 0
            head = struct.pack("!BBHII", 0x80, 96 | marker, sequence & 0xFFFF, packet.pts, 0x1234)
            sequence += 1
            yield b"$\0" + struct.pack("!H", len(head) + len(part)) + head + part


class Camera(socketserver.StreamRequestHandler):
    clip: EncodedClip

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client closes the connection when it has enough
            self.answer()

    def answer(self) -> None:
        while request := self.rfile.readline().decode():
            headers = {}
            while (line := self.rfile.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            method = request.split()[0]
            extra, body = "", ""
            if method == "OPTIONS":
                extra = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = self.sdp()
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{extra}\r\n{body}".encode())
            if method == "PLAY":
                for part in rtp(self.clip):
                    self.wfile.write(part)
                self.request.shutdown(socket.SHUT_WR)
            if method == "TEARDOWN":
                return

    def sdp(self) -> str:
        sets = [unit for unit in nal_units(self.clip.packets[0].payload) if unit[0] & 0x1F in (SPS, PPS)]
        described = ",".join(base64.b64encode(unit).decode() for unit in sets)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={described}\r\na=control:video\r\n"
        )


@pytest.fixture
def camera() -> Iterator[str]:
    frames = photo_frames(1.0, FPS, width=320, height=180, motion="always")
    clip = encode(frames, Codec.H264, FPS, keyframe_interval=5)
    handler = type("Handler", (Camera,), {"clip": clip})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/camera"
        finally:
            server.shutdown()
            thread.join()


def test_packets_of_a_network_camera_are_unchanged(camera: str) -> None:
    with open_source(camera) as source:
        assert source.codec is Codec.H264
        assert source.live
        assert source.duration_s is None
        assert source.extradata
        packets = list(source)
    assert len(packets) >= 9  # the last one has no successor that would end it
    assert packets[0].keyframe
    assert packets[0].clock_hz == 90_000
    # FFmpeg learns the clock from the first packet, which therefore has no time of its own.
    times = [packet.pts / packet.clock_hz for packet in packets][1:]
    assert [round(later - sooner, 3) for sooner, later in pairwise(times)] == [0.1] * (len(times) - 1)


async def test_a_network_camera_is_read_without_pacing(camera: str) -> None:
    async with reading(camera) as read:
        packets = [packet async for packet in read.packets()]
    assert len(packets) >= 9
