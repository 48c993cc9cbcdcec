"""`gifcue stream` with sources that are no plain files, and with ones that cannot be used."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gifcue.cli.streaming import Job, Plan, SourceLost, stream_all
from gifcue.client import Backoff, ReactionClient, StreamOptions
from gifcue.ingest.opening import SourceError, shown
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.sample_video.clips import encode, write
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer
from tests.cli.test_ingest import free_port
from tests.ingest.rtp.kit import packetised
from tests.ingest.test_rtsp import camera  # noqa: F401 - a fixture

from .conftest import Gifcue

COUNT = 6


def frames() -> Any:
    return photo_frames(0.6, 10, width=160, height=96)


def lines_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_container_can_come_from_a_pipe(gifcue: Gifcue, server: FakeServer, tmp_path: Path) -> None:
    clip = write(frames(), tmp_path / "clip.mkv", Codec.H264, 10)
    result = gifcue("stream", "-", "-s", server.target, "--json", "--fast", stdin=clip.read_bytes())
    assert result.exit_code == 0, result.output
    summary = lines_of(result.stdout)[-1]
    assert summary["sent"] == COUNT
    assert list(server.service.streams[0].joins) == ["stdin"]


def test_a_file_that_needs_seeking_is_refused_with_what_can_be_piped(
    gifcue: Gifcue, server: FakeServer, tmp_path: Path
) -> None:
    clip = write(frames(), tmp_path / "clip.mp4", Codec.H264, 10)
    # The index at the end, as most programs write mp4: here without the frames, so that nothing is left to send.
    result = gifcue("stream", "-", "-s", server.target, "--json", stdin=clip.read_bytes()[:2000])
    assert result.exit_code == 1
    message = " ".join(result.stderr.split())
    assert (
        "a container that needs no seeking, such as Matroska, MPEG-TS or fragmented mp4, at standard input"
        in message
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "-"), "-: expected standard input for one participant"),
        (("-", "-n", "2"), "-: expected standard input for one participant"),
        (("-", "--loop"), "--loop: expected a source that can be read again, got standard input"),
    ],
)
def test_standard_input_can_be_read_once(gifcue: Gifcue, arguments: tuple[str, ...], message: str) -> None:
    result = gifcue("stream", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_track_can_be_chosen(gifcue: Gifcue, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    output: Any = av.open(str(path), "w")
    streams = [output.add_stream("mjpeg", rate=10) for _ in range(2)]
    for stream, width in zip(streams, (64, 128), strict=True):
        stream.width, stream.height, stream.pix_fmt = width, 48, "yuvj420p"
    for stream, count in zip(streams, (2, 5), strict=True):
        for _ in range(count):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, stream.width, 3), np.uint8), "rgb24")
            output.mux(stream.encode(picture.reformat(format="yuvj420p")))
        output.mux(stream.encode(None))
    output.close()
    for track, count in ((1, 2), (2, 5)):
        result = gifcue("stream", path, "-s", server.target, "--json", "--fast", "--track", track)
        assert result.exit_code == 0, result.output
        assert lines_of(result.stdout)[-1]["sent"] == count
    result = gifcue("stream", path, "-s", server.target, "--track", "3")
    assert result.exit_code == 1
    assert "--track: expected a video track of 1 to 2" in " ".join(result.stderr.split())


@pytest.mark.parametrize("with_good_one", [False, True])
def test_an_unusable_file_is_refused_before_a_server_is_contacted(
    gifcue: Gifcue, server: FakeServer, tmp_path: Path, with_good_one: bool
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    good = [write(frames(), tmp_path / "clip.mp4", Codec.H264, 10)] if with_good_one else []
    result = gifcue("stream", *good, broken, "-s", server.target, "--json")
    assert result.exit_code == 1
    assert "broken.mp4" in result.stderr
    assert server.service.streams == []


def test_a_session_description_is_received(gifcue: Gifcue, server: FakeServer, tmp_path: Path) -> None:
    clip = encode(
        photo_frames(2.0, 10, width=160, height=96, motion="always"), Codec.VP8, 10, keyframe_interval=5
    )
    datagrams = [each for each in packetised(clip) if not is_rtcp(each)]
    clip_ticks = round(2.0 * RTP_CLOCK_HZ)
    port = free_port()
    sdp = tmp_path / "meeting.sdp"
    sdp.write_text(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=meeting\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    )
    done = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            number = 0
            # FFmpeg looks at some seconds of video before it hands anything on.
            is_stopping = False
            while not done.is_set():
                if not is_stopping and any(stream.frames for stream in server.service.streams):
                    is_stopping = True
                    os.kill(os.getpid(), signal.SIGINT)
                datagram = bytearray(datagrams[number % len(datagrams)])
                datagram[2:4] = (number & 0xFFFF).to_bytes(2, "big")
                later = number // len(datagrams) * clip_ticks
                ticks = int.from_bytes(datagram[4:8], "big") + later
                datagram[4:8] = (ticks & 0xFFFFFFFF).to_bytes(4, "big")
                sender.sendto(datagram, ("127.0.0.1", port))
                number += 1
                done.wait(0.005)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        result = gifcue("stream", sdp, "-s", server.target, "--json")
    finally:
        done.set()
        sending.join()
    assert result.exit_code == 0, result.output
    assert list(server.service.streams[0].joins) == ["meeting"]
    assert lines_of(result.stdout)[-1]["sent"] >= 1


async def test_a_lost_network_camera_is_reported_and_opened_again(camera: str) -> None:  # noqa: F811
    lost: list[SourceLost] = []
    stop = asyncio.Event()

    def on_lost(each: SourceLost) -> None:
        lost.append(each)
        if len(lost) == 3:
            stop.set()

    plan = Plan([Job("camera", camera)], StreamOptions(), source_backoff=Backoff(first_s=0.01, max_s=0.02))
    async with FakeServer() as fake, ReactionClient(fake.target) as client:
        summary = await stream_all(client, plan, lambda _: None, lambda *_: None, stop, on_lost)
        stream = await fake.service.stream(0)
    # The camera ends after each second of video: three times it was there.
    assert len(lost) == 3
    assert all("expected more video" in each.problem and each.retry_in_s < 0.1 for each in lost)
    joins = [each for each in stream.requests if each.participant.HasField("join")]
    assert len(joins) == 3
    assert summary.sent >= 3 * 9


async def test_a_network_source_that_never_opens_ends_the_command() -> None:
    plan = Plan([Job("camera", "rtsp://user:secret@127.0.0.1:9/camera")], StreamOptions())
    async with FakeServer() as fake, ReactionClient(fake.target) as client:
        with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/camera") as refused:
            await stream_all(client, plan, lambda _: None, lambda *_: None, asyncio.Event())
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("-", "standard input"),
        ("clip.mp4", "clip.mp4"),
        ("rtsp://camera/one", "rtsp://camera/one"),
        ("rtsp://user:se:cret@camera:554/one", "rtsp://user:***@camera:554/one"),
        ("rtsp://user:s[e]/c?r#e@t@camera:554/one", "rtsp://user:***@camera:554/one"),
        ("rtsp://:secret@[::1/one", "rtsp://:***@[::1/one"),
        ("rtsp://[broken", "rtsp://[broken"),
        ("srt://camera:9000?mode=caller&passphrase=secret", "srt://camera:9000"),
        ("https://site/one.m3u8?token=secret", "https://site/one.m3u8"),
        ("what? a clip: me@home.mp4", "what? a clip: me@home.mp4"),
    ],
)
def test_messages_show_no_secret(where: str, text: str) -> None:
    assert shown(where) == text
