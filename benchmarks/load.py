"""Load: participants that stream encoded video in real time, and how long decisions on their frames take.

Open loop: every frame has a time at which it is due, kept whatever the server does, and latency is counted
from that time to the moment the decision arrives here; what is never decided counts as later than any bound.
The load comes from processes of its own, with a channel for each media server (`--mcus`).

    python -m benchmarks.load --participants 8 --fps 30 --codec h264 --size 640x360 --seconds 30 --json
    python -m benchmarks.load --find-capacity

Own clips by default: a real photograph in motion, still half of the time, every participant at another point of
it; `--clip` streams any file. Settings of the server: GIFCUE_MEDIA__MAX_ANALYSIS_FPS=5 and so on in the environment,
or the arguments of `gifcue serve` after `--serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks.capacity import BOUND_MS, LEAST_ANALYSED_S, Bounds, Capacity, find_capacity
from benchmarks.footage import CLIP_S, KEYFRAME_S, VARIANTS, Footage, footage_of, own_footage
from benchmarks.measure import Load, measure
from benchmarks.processes import end_in_order
from benchmarks.server_process import ServerProcess
from gifcue.protocol.codecs import Codec


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = platform.machine()
    with Path("/proc/cpuinfo").open(encoding="utf-8") as info:
        model = next(
            (line.partition(": ")[2].strip() for line in info if line.startswith("model name")), model
        )
    return {"cores": len(os.sched_getaffinity(0)), "processor": model, "load_average": os.getloadavg()[0]}


def size_of(text: str) -> tuple[int, int]:
    """(width, height) of "640x360". Raises ArgumentTypeError."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a size like 640x360, got {text!r}")
    return int(width), int(height)


def range_of(text: str) -> tuple[float, float]:
    """(2.0, 10.0) of "2-10", (2.0, 2.0) of "2". Raises ArgumentTypeError."""
    try:
        values = [float(part) for part in text.split("-")]
        least, most = values[0], values[-1]
    except ValueError:
        values, least, most = [], 0.0, 0.0
    if len(values) not in (1, 2) or not 0 < least <= most:
        raise argparse.ArgumentTypeError(f"expected seconds, or two of them like 2-10, got {text!r}")
    return least, most


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `load_of` reads."""
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="measured, after the warm-up")
    parser.add_argument("--codec", default="h264", choices=[each.value for each in Codec])
    parser.add_argument("--size", type=size_of, default=(640, 360), help="width x height of our own clips")
    parser.add_argument("--clip", type=Path, help="a file to stream in place of our own, sent at --fps")
    parser.add_argument("--keyframe-s", type=range_of, default=KEYFRAME_S, help="seconds between keyframes")
    parser.add_argument("--variants", type=int, default=VARIANTS, help="own clips that participants share")
    parser.add_argument("--mcus", type=int, default=2, help="media servers, each with a channel and a stream")
    parser.add_argument("--senders", type=int, default=1, help="processes that the media servers share")
    parser.add_argument(
        "--jitter-ms", type=float, default=5.0, help="most that a frame comes late of its turn"
    )
    parser.add_argument(
        "--gather-ms",
        type=float,
        default=0.0,
        help="a media server sends the frames of so long as one message",
    )
    parser.add_argument("--warm-up-s", type=float, default=3.0, help="sent before measuring begins")
    parser.add_argument("--seed", type=int, default=1, help="of the jitter")


def load_of(arguments: argparse.Namespace) -> Load:
    """The load that the arguments ask for."""
    footage: list[Footage]
    if arguments.clip:
        footage = footage_of(arguments.clip)
    else:
        footage = own_footage(
            Codec(arguments.codec),
            arguments.size,
            arguments.fps,
            arguments.keyframe_s,
            min(arguments.variants, arguments.participants if not arguments.find_capacity else VARIANTS),
            CLIP_S,
        )
    return Load(
        arguments.participants,
        arguments.fps,
        arguments.seconds,
        footage,
        mcus=arguments.mcus,
        senders=arguments.senders,
        warm_up_s=arguments.warm_up_s,
        jitter_ms=arguments.jitter_ms,
        gather_ms=arguments.gather_ms,
        seed=arguments.seed,
    )


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """One measurement, or a search for the capacity, as plain figures."""
    load = load_of(arguments)
    async with ServerProcess(arguments.serve) as server:
        if not arguments.find_capacity:
            return {"machine": machine(), **await measure(server, load)}
        bounds = Bounds(arguments.bound_ms, arguments.least_analysed_s, arguments.dropped_share)
        capacity = await find_capacity(
            server, load, bounds, most=arguments.most, confirm_s=arguments.confirm_s, told=_tell
        )
        return capacity_report(capacity)


def capacity_report(capacity: Capacity) -> dict[str, Any]:
    """A capacity as plain figures."""
    return {
        "machine": machine(),
        "carried": capacity.participants,
        "why_limited": capacity.why_limited,
        "at_capacity": capacity.at,
        "runs": capacity.runs,
    }


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(figures: dict[str, Any], title: str = "gifcue under load") -> None:
    """The figures as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for name, value in figures.items():
        if name == "runs":
            value = len(value)
        table.add_row(name.replace("_", " "), _text(value))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items() if key != "histogram")
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """The command line."""
    end_in_order()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    search = parser.add_argument_group("capacity")
    search.add_argument(
        "--find-capacity",
        action="store_true",
        help="search for the most participants, from --participants on, with runs of --seconds (default then 8)",
    )
    search.add_argument("--bound-ms", type=float, default=BOUND_MS, help="of the p95")
    search.add_argument(
        "--least-analysed-s",
        type=float,
        default=LEAST_ANALYSED_S,
        help="analyses a second of motion, of each",
    )
    search.add_argument("--dropped-share", type=float, default=0.0, help="of frames that may be dropped")
    search.add_argument("--confirm-s", type=float, default=20.0, help="seconds of the run that confirms")
    search.add_argument("--most", type=int, default=512, help="participants at most")
    parser.add_argument(
        "--serve", nargs=argparse.REMAINDER, default=[], help="the rest goes to `gifcue serve`"
    )
    arguments = parser.parse_args()
    if arguments.find_capacity and "--seconds" not in sys.argv:
        arguments.seconds = 8.0
    figures = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
