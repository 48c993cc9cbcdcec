"""A load of participants that stream encoded video in real time, and the latency of decisions on their frames.

The load is open-loop: every frame has a fixed due time, independent of the server's speed. Latency is the time from
there to the arrival of the decision; a frame without a decision counts as later than any bound. Separate processes
generate the load, with one channel for each media server (`--mcus`).

    python -m benchmarks.load --participants 8 --fps 30 --codec h264 --size 640x360 --seconds 30 --json
    python -m benchmarks.load --find-capacity

By default the clips show a photograph, half of the time in motion, with every participant at another point of it;
`--clip` streams any file. Server settings are read from the environment, for example GIFCUE_MEDIA__MAX_ANALYSIS_FPS=5,
and from the arguments of `gifcue serve` after `--serve`.
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

from benchmarks.capacity import BOUND_MS, LEAST_ANALYSED_S, Bounds, find_capacity
from benchmarks.footage import CLIP_S, KEYFRAME_S, VARIANTS, Footage, footage_of, own_footage
from benchmarks.measure import Load, measure
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess
from gifcue.protocol.codecs import Codec
from gifcue.server.capacity.search import Found


def machine() -> dict[str, Any]:
    """The cores, processor and load average of this machine."""
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
        raise argparse.ArgumentTypeError(f"expected seconds, or a range like 2-10, got {text!r}")
    return least, most


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `load_of` reads."""
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="measured time, after the warm-up")
    parser.add_argument("--codec", default="h264", choices=[each.value for each in Codec])
    parser.add_argument(
        "--size", type=size_of, default=(640, 360), help="width x height of the generated clips"
    )
    parser.add_argument(
        "--clip", type=Path, help="a file to stream in place of the generated clips, sent at --fps"
    )
    parser.add_argument("--keyframe-s", type=range_of, default=KEYFRAME_S, help="seconds between keyframes")
    parser.add_argument(
        "--variants", type=int, default=VARIANTS, help="generated clips, which participants share"
    )
    parser.add_argument(
        "--mcus", type=int, default=2, help="media servers, each with one channel and one stream"
    )
    parser.add_argument("--senders", type=int, default=1, help="processes that the media servers share")
    parser.add_argument(
        "--jitter-ms", type=float, default=5.0, help="maximum delay added to the due time of a frame"
    )
    parser.add_argument(
        "--gather-ms",
        type=float,
        default=0.0,
        help="a media server sends the frames of this interval as one message",
    )
    parser.add_argument("--warm-up-s", type=float, default=3.0, help="sent before the measured time")
    parser.add_argument("--seed", type=int, default=1, help="seed of the jitter")


def load_of(arguments: argparse.Namespace) -> Load:
    """The load that the arguments describe."""
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
    """The report of one measurement or of a search for the capacity, ready for JSON."""
    load = load_of(arguments)
    async with ServerProcess(arguments.serve) as server:
        if not arguments.find_capacity:
            return {"machine": machine(), **await measure(server, load)}
        bounds = Bounds(arguments.bound_ms, arguments.least_analysed_s, arguments.dropped_share)
        capacity = await find_capacity(
            server, load, bounds, most=arguments.most, confirm_s=arguments.confirm_s, report=_print_progress
        )
        return capacity_report(capacity)


def capacity_report(capacity: Found) -> dict[str, Any]:
    """The report of a capacity, ready for JSON."""
    return {
        "machine": machine(),
        "carried": capacity.participants,
        "why_limited": capacity.why_limited,
        "at_capacity": capacity.at,
        "runs": capacity.runs,
    }


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(figures: dict[str, Any], title: str = "gifcue under load") -> None:
    """Prints a report as a table."""
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
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    search = parser.add_argument_group("capacity")
    search.add_argument(
        "--find-capacity",
        action="store_true",
        help="search for the capacity, from --participants, with runs of --seconds (then 8 by default)",
    )
    search.add_argument("--bound-ms", type=float, default=BOUND_MS, help="bound of the p95")
    search.add_argument(
        "--least-analysed-s",
        type=float,
        default=LEAST_ANALYSED_S,
        help="required analyses per second of motion of every participant",
    )
    search.add_argument(
        "--dropped-share", type=float, default=0.0, help="fraction of frames that may be dropped"
    )
    search.add_argument("--confirm-s", type=float, default=20.0, help="duration of a confirming run")
    search.add_argument("--most", type=int, default=512, help="maximum number of participants")
    parser.add_argument(
        "--serve", nargs=argparse.REMAINDER, default=[], help="pass all further arguments to `gifcue serve`"
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
