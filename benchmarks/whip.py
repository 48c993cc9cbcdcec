"""What the video of a WHIP sender costs before it is a frame: CPU time a participant, as in `benchmarks.adapters`.

    python -m benchmarks.whip [--participants 8] [--seconds 20] [--json]

The receiving end is a process of its own, and only its time counts: UDP, ICE, SRTP, RTP, and the access units, which it
takes and drops. In a server, the frames then cost what those of any client cost. The packets are those of
`benchmarks.adapters`; this process encrypts them by aiortc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

import psutil

from benchmarks.adapters import FPS, LIMIT, WARM_UP_S, Cost, packets_of_frames
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.dtls import RtpTransport
from gifcue.ingest.webrtc.ice import FullIce, IceCredentials
from gifcue.ingest.webrtc.lite import LitePort
from gifcue.ingest.webrtc.track import VideoTrack
from gifcue.protocol.codecs import RTP_CLOCK_HZ


class Sender:
    """One participant."""

    def __init__(self) -> None:
        self._ice = FullIce()
        self._transport = RtpTransport(self._ice.path, "active", lambda _: None, lambda _: None)
        self._sequence = 0

    async def offer(self) -> str:
        """An offer of H.264 with the payload type 96."""
        await self._ice.gather()
        local = self._ice.local
        lines = [
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0",
            f"a=ice-ufrag:{local.username}", f"a=ice-pwd:{local.password}", "a=setup:actpass", "a=sendonly",
            *(f"a=fingerprint:{digest} {value}" for digest, value in self._transport.fingerprints),
            "a=rtcp-mux", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1",
        ]  # fmt: skip
        return "\r\n".join(lines) + "\r\n"

    async def connect(self, answer: str) -> None:
        """Takes the answer, and returns once packets can be sent."""
        found = [line.partition(":") for line in answer.split("\r\n")]
        values = {name: value for name, _, value in found}
        for name, _, value in found:
            if name == "a=candidate":
                await self._ice.add_candidate(value)
        remote = IceCredentials(values["a=ice-ufrag"], values["a=ice-pwd"])
        await self._ice.connect(remote, remote_is_lite=True)
        fingerprints = [value.split(" ") for name, _, value in found if name == "a=fingerprint"]
        await self._transport.handshake(fingerprints)

    async def send(self, packet: bytes, timestamp: int) -> None:
        """Sends a packet with a sequence number of its own."""
        sequence = (self._sequence & 0xFFFF).to_bytes(2, "big")
        self._sequence += 1
        ticks = (timestamp & 0xFFFFFFFF).to_bytes(4, "big")
        await self._transport.send(packet[:2] + sequence + ticks + packet[8:])

    async def close(self) -> None:
        """Ends the connection."""
        await self._transport.stop()
        await self._ice.close()


async def receive() -> None:
    """The process that is measured: an offer a line comes in, an answer a line goes out. Ends with its input."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    units = 0

    async def take(track: VideoTrack) -> None:
        nonlocal units
        async for _ in track.units():
            units += 1

    tracks: list[VideoTrack] = []
    taking: list[asyncio.Task[None]] = []
    async with LitePort("127.0.0.1", 0) as port:
        while line := await reader.readline():
            if line.strip() == b"units":
                print(units, flush=True)
                continue
            connection = PeerConnection(port.open(), PeerLimits(), tracks.append)
            answer = await connection.answer(json.loads(line))
            taking.append(asyncio.create_task(take(tracks[-1])))
            print(json.dumps(answer), flush=True)


async def measure(participants: int, seconds: float, frames: Sequence[Sequence[bytes]]) -> Cost:
    """Runs the receiving process and measures it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.whip", "--receive"), stdin=pipe, stdout=pipe, limit=1 << 20
    )
    assert process.stdin is not None
    assert process.stdout is not None
    senders = [Sender() for _ in range(participants)]
    stop = asyncio.Event()
    try:
        for sender in senders:
            process.stdin.write(json.dumps(await sender.offer()).encode() + b"\n")
            await sender.connect(json.loads(await process.stdout.readline()))
        sending = asyncio.create_task(_send(senders, frames, stop))
        figures = psutil.Process(process.pid)
        await asyncio.sleep(WARM_UP_S)
        counted: list[tuple[float, float, int]] = []
        for pause_s in (seconds, 0.0):
            process.stdin.write(b"units\n")
            units = int(await process.stdout.readline())
            times = figures.cpu_times()
            counted.append((asyncio.get_running_loop().time(), times.user + times.system, units))
            await asyncio.sleep(pause_s)
        stop.set()
        await sending
    finally:
        for sender in senders:
            await sender.close()
        process.stdin.close()
        await process.wait()
    (began_s, cpu_before_s, before), (ended_s, cpu_s, after) = counted
    per_participant_s = (ended_s - began_s) * participants
    clip_s = len(frames) / FPS
    size = sum(len(packet) for frame in frames for packet in frame)
    return Cost(
        "whip",
        participants,
        (cpu_s - cpu_before_s) / per_participant_s,
        (after - before) / per_participant_s,
        size * 8 / clip_s / 1000,
        sum(map(len, frames)) / clip_s,
    )


async def _send(senders: Sequence[Sender], frames: Sequence[Sequence[bytes]], stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    began_s, count = loop.time(), 0
    while not stop.is_set():
        for place, sender in enumerate(senders):
            # As cameras do, participants send at times of their own within a frame's time.
            due_s = began_s + (count + place / len(senders)) / FPS
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            for packet in frames[count % len(frames)]:
                await sender.send(packet, count * RTP_CLOCK_HZ // FPS)
        count += 1


def main() -> int:
    """Parses the arguments and prints a line; the exit status is 1 where a participant costs more than `LIMIT`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whip", description=__doc__)
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.receive:
        asyncio.run(receive())
        return 0
    cost = asyncio.run(measure(arguments.participants, arguments.seconds, packets_of_frames()))
    if arguments.json:
        print(json.dumps({name: getattr(cost, name) for name in Cost.__slots__}))
    else:
        print(
            f"{cost.adapter}: {100 * cost.core_share:.2f} % of a core a participant, of {cost.participants}; each "
            f"{cost.frames_per_s:.1f} frames, {cost.packets_per_s:.0f} packets, {cost.kbit_per_s:.0f} kbit a second"
        )
    return 1 if cost.core_share > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
