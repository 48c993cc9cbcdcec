"""What comes as RTP by a session description causes the reactions that the file causes, in every codec."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from pathlib import Path

import pytest

from gifcue.cli.demo_server import running_server
from gifcue.client import Phase, Reaction, ReactionClient, ReconnectingStream, StreamOptions
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.rtp.listener import RtpListener, RtpPort
from gifcue.ingest.rtp.sdp import parse_sdp
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.ingest.rtp.kit import packetised

CODECS = (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1)
FPS, SECONDS = 10, 3.0


def free_ports(count: int) -> list[int]:
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def description(ports: list[int]) -> str:
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    for codec, port in zip(CODECS, ports, strict=True):
        name = codec.value.upper()
        lines += [f"m=video {port} RTP/AVP 96", f"a=rtpmap:96 {name}/90000", "a=rtcp-mux"]
    return "\r\n".join(lines) + "\r\n"


def by_frame(datagrams: list[bytes]) -> list[list[bytes]]:
    """The packets of each frame, without RTCP."""
    packets = [each for each in datagrams if each[1] & 0x7F == 96]
    return [list(group) for _, group in itertools.groupby(packets, key=lambda each: each[4:8])]


@pytest.mark.timeout(180)
async def test_rtp_by_a_session_description_causes_the_reactions_of_the_file(tmp_path: Path) -> None:
    clips = {
        codec: encode(photo_frames(SECONDS, FPS, width=320, height=180), codec, FPS, keyframe_interval=FPS)
        for codec in CODECS
    }
    packets = {codec: by_frame(packetised(clip)) for codec, clip in clips.items()}
    frames = round(SECONDS * FPS)
    assert {len(each) for each in packets.values()} == {frames}
    reactions: list[Reaction] = []

    async def watch(stream: ReconnectingStream) -> None:
        async for event in stream.events():
            if isinstance(event, Reaction):
                reactions.append(event)

    async def receive(stream: ReconnectingStream, listener: RtpListener, name: str) -> None:
        feed = ParticipantFeed(stream, name, ("smile",), listener.request_keyframe)
        async for unit in listener.units():
            await feed.send(unit)

    async with (
        running_server(tmp_path) as server,
        ReactionClient(server.target) as client,
        client.reconnecting(StreamOptions()) as stream,
        contextlib.AsyncExitStack() as stack,
        asyncio.TaskGroup() as group,
    ):
        watching = group.create_task(watch(stream))
        sections = parse_sdp(description(free_ports(len(CODECS))))
        listeners = {}
        receiving = []
        for codec, section in zip(CODECS, sections, strict=True):
            port = RtpPort("127.0.0.1", section.port, section.rtcp_port, section.formats)
            listeners[codec] = await stack.enter_async_context(RtpListener(port))
            receiving.append(group.create_task(receive(stream, listeners[codec], f"rtp {codec.value}")))
        files = {
            codec: await stream.join(f"file {codec.value}", codec, clips[codec].extradata, ("smile",))
            for codec in CODECS
        }
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(frames):
                for codec, section in zip(CODECS, sections, strict=True):
                    for each in packets[codec][number]:
                        sender.sendto(each, ("127.0.0.1", section.port))
                    packet = clips[codec].packets[number]
                    await files[codec].send(packet.payload, packet.pts, packet.clock_hz, packet.keyframe)
                # As the server can take them: only it counts frames, and it sends its counts when asked.
                while True:
                    total = (await stream.statistics()).total
                    if total.received == 2 * len(CODECS) * (number + 1) and not total.in_flight:
                        break
        assert {name: listeners[name].dropped for name in CODECS} == {codec: {} for codec in CODECS}
        for task in receiving:
            task.cancel()
        await asyncio.wait(receiving)
        await stream.half_close()
        await watching
    started = {
        each.participant_id: (each.label, each.sequence) for each in reactions if each.phase is Phase.STARTED
    }
    assert len([each for each in reactions if each.phase is Phase.STARTED]) == len(started)
    for codec in CODECS:
        assert started[f"rtp {codec.value}"] == started[f"file {codec.value}"], started
    assert {label for label, _ in started.values()} == {"smile"}
