"""Load: participants that stream encoded video in real time, and how long decisions on their frames take.

Open loop: every frame has a time at which it is due, kept whatever the server does, and latency is counted
from that time to the moment the decision arrives here. A server that falls behind cannot slow the load down,
nor hide the wait.

    python -m benchmarks.load --participants 8 --fps 30 --codec h264 --size 640x360 --seconds 30 --json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.server_process import ProcessCost, ServerProcess
from gifcue.client import FrameDecided, Phase, Reaction, ReactionClient, ReactionStream, StreamOptions
from gifcue.media.codecs import Codec
from gifcue.testing.clips import EncodedClip, encode, photo_frames, read

CLIP_SECONDS = 8.0
KEYFRAME_EVERY_S = 2.0


@dataclass(slots=True)
class Observed:
    """What one stream saw. Times by this process' monotonic clock, in seconds."""

    due_s: dict[tuple[str, int], float] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    started: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered."""

    participants: int
    fps: float
    seconds: float
    clip: EncodedClip


def make_clip(codec: Codec, size: tuple[int, int], fps: float) -> EncodedClip:
    """Our own encode of a real photograph in motion, still half of the time."""
    frames = photo_frames(CLIP_SECONDS, fps, *size)
    return encode(frames, codec, fps, keyframe_interval=round(KEYFRAME_EVERY_S * fps))


async def offer(target: str, load: Load) -> tuple[Observed, dict[str, Any]]:
    """Streams the load and returns what was seen and the server's books of this stream."""
    observed = Observed()
    options = StreamOptions(client_name="gifcue-benchmark", room_id="benchmark", send_decisions=True)
    async with ReactionClient(target) as client, client.open(options) as stream:
        names = [f"participant-{index}" for index in range(load.participants)]
        labels = list(stream.ready.reaction_labels)
        joined = [
            await stream.join(name, load.clip.codec, load.clip.extradata, allowed_labels=labels)
            for name in names
        ]
        listening = asyncio.create_task(_listen(stream, observed))
        start_s = time.monotonic() + 0.5
        async with asyncio.TaskGroup() as group:
            for index, participant in enumerate(joined):
                # Spread over one frame's time, as the cameras of a meeting are.
                phase_s = index / load.participants / load.fps
                group.create_task(_send(participant, load, start_s + phase_s, observed))
        books = (await stream.statistics()).total
        await stream.half_close()
        await listening
        final = books
        return observed, {
            "received": final.received,
            "analysed": final.analysed,
            "skipped": dict(final.skipped),
            "dropped": dict(final.dropped),
            "in_flight_at_the_end": final.in_flight,
            "balanced": final.balanced,
        }


async def _send(participant: Any, load: Load, start_s: float, observed: Observed) -> None:
    packets = load.clip.packets
    frames = round(load.seconds * load.fps)
    lap = round(len(packets) * packets[0].clock_hz / load.fps)
    for index in range(frames):
        due_s = start_s + index / load.fps
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        packet = packets[index % len(packets)]
        pts = packet.pts + (index // len(packets)) * lap
        observed.due_s[participant.id, participant.next_sequence] = due_s
        observed.late_ms.append((time.monotonic() - due_s) * 1000)
        await participant.send(packet.payload, pts=pts, clock_hz=packet.clock_hz, keyframe=packet.keyframe)


async def _listen(stream: ReactionStream, observed: Observed) -> None:
    async for event in stream.events():
        match event:
            case FrameDecided():
                due_s = observed.due_s[event.participant_id, event.sequence]
                observed.latencies_ms.append((time.monotonic() - due_s) * 1000)
            case Reaction(phase=Phase.STARTED):
                observed.started += 1
            case _ if hasattr(event, "code"):
                observed.faults.append(f"{event.code}: {event.message}")


def percentile(values: Iterable[float], share: float) -> float:
    """By nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else float("nan")


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run, as plain figures."""
    size = tuple(int(part) for part in arguments.size.split("x"))
    clip = read(arguments.clip) if arguments.clip else make_clip(Codec(arguments.codec), size, arguments.fps)
    load = Load(arguments.participants, arguments.fps, arguments.seconds, clip)
    async with ServerProcess(arguments.serve) as server:
        before = server.costs()
        own_before_s = time.process_time()
        observed, books = await offer(server.target, load)
        costs = _spent(before, server.costs())
        own_s = time.process_time() - own_before_s
    offered = load.participants * round(load.seconds * load.fps)
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "participants": load.participants,
        "fps": load.fps,
        "seconds": load.seconds,
        "codec": clip.codec.value,
        "size": f"{clip.width}x{clip.height}",
        "offered": offered,
        "lost_on_the_way": offered - books["received"],
        **books,
        "analysed_per_participant_s": books["analysed"] / load.participants / load.seconds,
        "reactions_started": observed.started,
        "faults": observed.faults,
        "sent_to_decision_ms": {
            name: round(percentile(observed.latencies_ms, share), 1)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "sender_late_p95_ms": round(percentile(observed.late_ms, 0.95), 1),
        "cpu_cores": {each.name: round(each.cpu_s / load.seconds, 3) for each in costs}
        | {"load generator": round(own_s / load.seconds, 3)},
        "uss_mb": {each.name: round(each.uss_bytes / 1e6, 1) for each in costs},
    }


def _spent(before: list[ProcessCost], after: list[ProcessCost]) -> list[ProcessCost]:
    earlier = {each.name: each.cpu_s for each in before}
    return [
        ProcessCost(each.name, each.cpu_s - earlier.get(each.name, 0.0), each.rss_bytes, each.uss_bytes)
        for each in after
    ]


def show(figures: dict[str, Any]) -> None:
    """The figures as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="gifcue under load", show_header=False)
    for name, value in figures.items():
        text = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else value
        table.add_row(name.replace("_", " "), f"{text:.2f}" if isinstance(text, float) else str(text))
    Console().print(table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--codec", default="h264", choices=[each.value for each in Codec])
    parser.add_argument("--size", default="640x360", help="width x height of our own clip")
    parser.add_argument("--clip", type=Path, help="a file to stream in place of our own clip, sent at --fps")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    parser.add_argument(
        "--serve", nargs=argparse.REMAINDER, default=[], help="the rest goes to `gifcue serve`"
    )
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
