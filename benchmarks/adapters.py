"""What an adapter costs: its own CPU time a participant, at 640x360, 30 frames a second, 800 kbit/s.

    python -m benchmarks.adapters [--adapter rtp] [--participants 8] [--seconds 20] [--json]

The adapter is a process of its own, and only its time counts. The video comes from this process as packets of real
H.264, at the times at which a camera sends; the frames go to a server without video, in this process as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp.web
import av
import psutil

from benchmarks.livekit_stand_in import livekit_stand_in
from benchmarks.offering import OfferingPeer
from gifcue.cli.ingest_livekit import API_KEY, API_SECRET
from gifcue.protocol.codecs import RTP_CLOCK_HZ
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer

WIDTH, HEIGHT, FPS, BIT_RATE = 640, 360, 30, 800_000
CLIP_S = 4.0
# The part of a core that a participant may cost.
LIMIT = 0.02
# Seconds before the measurement: imports, joins, the first keyframes.
WARM_UP_S = 4.0
_READY_S = 30.0


@dataclass(slots=True)
class Sender:
    """Where a participant's packets go: an address, or a connection. Filled in once the adapter listens."""

    to: tuple[str, int] | None = None
    ssrc: int = 1
    over: OfferingPeer | None = None


# Starts an adapter for a number of participants against a server, and yields where each one's packets go.
Adapter = Callable[[str, int, Path], AbstractAsyncContextManager[tuple[psutil.Process, Sequence[Sender]]]]


@asynccontextmanager
async def rtp(
    target: str, participants: int, folder: Path
) -> AsyncIterator[tuple[psutil.Process, Sequence[Sender]]]:
    """`gifcue ingest rtp` with a session description that has a section a participant."""
    ports = _free_ports(participants)
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=benchmark", "c=IN IP4 127.0.0.1", "t=0 0"]
    for port in ports:
        lines += [f"m=video {port} RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=rtcp-mux"]
    sdp = folder / "benchmark.sdp"
    sdp.write_text("\r\n".join(lines) + "\r\n", encoding="ascii")
    async with _running("ingest", "rtp", str(sdp), "-s", target) as process:
        yield process, [Sender(("127.0.0.1", port)) for port in ports]


@asynccontextmanager
async def janus(
    target: str, participants: int, folder: Path
) -> AsyncIterator[tuple[psutil.Process, Sequence[Sender]]]:
    """`gifcue ingest janus`, which a stand-in for Janus tells of so many publishers."""
    senders = [Sender() for _ in range(participants)]

    async def talk(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        opened = aiohttp.web.WebSocketResponse(protocols=("janus-protocol",))
        await opened.prepare(request)
        async for message in opened:
            asked = json.loads(message.data)
            answer = _answer(asked, senders)
            await opened.send_json({**answer, "transaction": asked["transaction"]})
        return opened

    app = aiohttp.web.Application()
    app.router.add_get("/", talk)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with _running(
            "ingest", "janus", url, "1", "--consent", "id=*", "--copies", "1", "-s", target
        ) as process:
            yield process, senders
    finally:
        await runner.cleanup()


@asynccontextmanager
async def livekit(
    target: str, participants: int, folder: Path
) -> AsyncIterator[tuple[psutil.Process, Sequence[Sender]]]:
    """`gifcue ingest livekit`, with a stand-in for LiveKit. The packets come encrypted over one connection."""
    senders = [Sender(ssrc=1000 + number) for number in range(participants)]
    environment = {API_KEY: "key", API_SECRET: "the-secret-of-a-stand-in-for-livekit"}
    async with livekit_stand_in(participants, [each.ssrc for each in senders]) as (url, connected):
        arguments = ("ingest", "livekit", url, "--room", "room", "--consent", "identity=*", "-s", target)
        async with _running(*arguments, **environment) as process:
            async with asyncio.timeout(_READY_S):
                peer = await connected
            for sender in senders:
                sender.over = peer
            yield process, senders


ADAPTERS: dict[str, Adapter] = {"rtp": rtp, "janus": janus, "livekit": livekit}


def _answer(asked: dict[str, Any], senders: Sequence[Sender]) -> dict[str, Any]:
    body = asked.get("body", {})
    data: dict[str, Any] = {"videoroom": "success"}
    if body.get("request") == "join":
        stream = {"type": "video", "mid": "0", "codec": "h264"}
        data["publishers"] = [{"id": number, "streams": [stream]} for number in range(1, len(senders) + 1)]
    elif body.get("request") == "rtp_forward":
        (stream,) = body["streams"]
        sender = senders[body["publisher_id"] - 1]
        sender.to, sender.ssrc = (stream["host"], stream["port"]), stream["ssrc"]
        data["forwarders"] = [{"stream_id": body["publisher_id"], "local_rtcp_port": 9}]
    return {"janus": "success", "data": {"id": 1}, "plugindata": {"data": data}, "sender": 1}


@asynccontextmanager
async def _running(*arguments: str, **environment: str) -> AsyncIterator[psutil.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gifcue",
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        yield psutil.Process(process.pid)
        if process.returncode is not None:
            raise SystemExit(f"expected an adapter that runs, got exit code {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def packets_of_frames() -> list[list[bytes]]:
    """The RTP packets of each frame of a clip, with payload type 96; one keyframe at its beginning."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.bit_rate = BIT_RATE
    context.thread_count = 1
    context.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "nal-hrd": "cbr",
        "maxrate": str(BIT_RATE),
    }
    context.options = {
        **context.options,
        "bufsize": str(BIT_RATE // 2),
        "g": "100000",
        "x264-params": "filler=1",
    }
    frames: list[list[bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        output: Any = av.open(f"rtp://127.0.0.1:{receiver.getsockname()[1]}?pkt_size=1200", "w", format="rtp")
        stream = output.add_mux_stream("h264", rate=FPS)
        stream.width, stream.height, stream.time_base = WIDTH, HEIGHT, Fraction(1, RTP_CLOCK_HZ)
        for number, picture in enumerate(photo_frames(CLIP_S, FPS, WIDTH, HEIGHT, motion="always")):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            for packet in context.encode(frame):
                packet.stream = stream
                output.mux(packet)
            got: list[bytes] = []
            try:
                while True:
                    datagram = receiver.recv(65536)
                    if datagram[1] & 0x7F == 96:
                        got.append(datagram)
            except BlockingIOError:
                frames.append(got)
        output.close()
    return frames


async def send(senders: Sequence[Sender], frames: Sequence[Sequence[bytes]], stop: asyncio.Event) -> None:
    """Sends the clip to every sender again and again, each frame at its time, until `stop` is set."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    sequences = [0] * len(senders)
    count = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        while not stop.is_set():
            packets = frames[count % len(frames)]
            for place, sender in enumerate(senders):
                # As cameras do, participants send at times of their own within a frame's time.
                due_s = began_s + (count + place / len(senders)) / FPS
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                for packet in packets:
                    head = struct.pack(
                        "!HII",
                        sequences[place] & 0xFFFF,
                        count * RTP_CLOCK_HZ // FPS & 0xFFFFFFFF,
                        sender.ssrc,
                    )
                    sequences[place] += 1
                    if sender.to is not None:
                        sending.sendto(packet[:2] + head + packet[12:], sender.to)
                    elif sender.over is not None:
                        await sender.over.send(packet[:2] + head + packet[12:])
            count += 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured. `core_share` is of one core and one participant."""

    adapter: str
    participants: int
    core_share: float
    frames_per_s: float
    kbit_per_s: float
    packets_per_s: float


async def measure(name: str, participants: int, seconds: float, frames: Sequence[Sequence[bytes]]) -> Cost:
    """Runs one adapter and measures it."""
    stop = asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="gifcue-adapters-") as folder:
        async with (
            FakeServer() as server,
            ADAPTERS[name](server.target, participants, Path(folder)) as (process, senders),
        ):
            sending = asyncio.create_task(send(senders, frames, stop))
            async with asyncio.timeout(_READY_S):
                stream = await server.service.stream(0)
                await stream.until(
                    lambda seen: len({frame.participant_id for frame in seen.frames}) == participants
                )
            await asyncio.sleep(WARM_UP_S)
            before, frames_before = process.cpu_times(), len(stream.frames)
            began_s = asyncio.get_running_loop().time()
            await asyncio.sleep(seconds)
            after, took_s = process.cpu_times(), asyncio.get_running_loop().time() - began_s
            received = len(stream.frames) - frames_before
            stop.set()
            await sending
    cpu_s = after.user + after.system - before.user - before.system
    packets = sum(map(len, frames))
    size = sum(len(packet) for frame in frames for packet in frame)
    return Cost(
        name,
        participants,
        cpu_s / took_s / participants,
        received / took_s / participants,
        size * 8 / CLIP_S / 1000,
        packets / CLIP_S,
    )


def main() -> int:
    """Parses the arguments and prints a line an adapter; the exit status is 1 where one costs more than `LIMIT`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapters", description=__doc__)
    parser.add_argument("--adapter", action="append", choices=tuple(ADAPTERS))
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    frames = packets_of_frames()
    costs = [
        asyncio.run(measure(name, arguments.participants, arguments.seconds, frames))
        for name in arguments.adapter or ADAPTERS
    ]
    for cost in costs:
        if arguments.json:
            print(json.dumps({name: getattr(cost, name) for name in Cost.__slots__}))
        else:
            print(
                f"{cost.adapter}: {100 * cost.core_share:.2f} % of a core a participant, of {cost.participants}; each "
                f"{cost.frames_per_s:.1f} frames, {cost.packets_per_s:.0f} packets, {cost.kbit_per_s:.0f} kbit a second"
            )
    return 1 if any(cost.core_share > LIMIT for cost in costs) else 0


def _free_ports(count: int) -> list[int]:
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


if __name__ == "__main__":
    sys.exit(main())
