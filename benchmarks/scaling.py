"""Cost and capacity by number of participants, codec, size, cores, batch size and stage.

    python -m benchmarks.scaling curve --counts 4,8,16,32 --seconds 8
    python -m benchmarks.scaling codecs|sizes|cores|stages
    python -m benchmarks.scaling batches --backend savedmodel --counts 1,2,4,8,16,32

Each prints a table, with `--json` its rows. `batches --backend savedmodel` uses a GPU if the machine has one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import cv2

from benchmarks.bare import Bare, saturate
from benchmarks.capacity import Bounds, find_capacity
from benchmarks.footage import CLIP_S, KEYFRAME_S, PERIOD_S, Footage, own_footage
from benchmarks.load import size_of
from benchmarks.measure import Load, measure
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess
from benchmarks.stages import bare_costs, table
from gifcue.detect.detector import Backend
from gifcue.detect.factory import open_detector
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.photo import photo_frames
from gifcue.server.capacity.search import Found
from gifcue.server.config import load_settings

Row = dict[str, Any]

CODECS = (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG)
SIZES = ((320, 180), (640, 360), (1280, 720), (1920, 1080))
# Below the capacity for every codec and size: the cost is measured, not the limit.
PARTICIPANTS = 4


def load_row(figures: dict[str, Any]) -> Row:
    """A row of the table for a measurement."""
    latency, cores = figures["due_to_decision_ms"], figures["cpu_cores"]
    return {
        "participants": figures["participants"],
        "p50_ms": latency["p50"],
        "p95_ms": latency["p95"],
        "p99_ms": latency["p99"],
        "analysed_moving_s": figures["analysed_moving_s"]["least"],
        "dropped": sum(figures["dropped"].values()),
        **{f"{name}_cores": value for name, value in cores.items()},
        "server_memory_mb": figures["server_memory_mb"],
    }


async def curve(server: ServerProcess, load: Load, counts: Iterable[int]) -> list[dict[str, Any]]:
    """A measurement for each number of participants, in the given order."""
    return [await measure(server, load.with_participants(count)) for count in counts]


async def cost_of(server: ServerProcess, footage: list[Footage], load: Load, rate: float) -> Row:
    """The CPU cost of this footage, and the number of participants that the machine's cores would carry.

    `rate` is the rate of analysis, per second and participant, to which the measured cost of detection is scaled. The
    costs of decoding and of the front are not scaled.
    """
    figures = await measure(server, replace(load, footage=footage))
    cores, participants = figures["cpu_cores"], figures["participants"]
    ms = {name: cores.get(name, 0.0) * 1000 / participants for name in cores}
    analysed = figures["analysed_per_participant_s"]
    at_rate_ms = sum(ms.values()) + ms.get("detect", 0.0) * (rate / analysed - 1 if analysed else 0.0)
    return {
        "codec": figures["codec"],
        "size": figures["size"],
        "megabits_s": figures["megabits_per_participant_s"],
        **{f"{name}_ms": round(value, 2) for name, value in ms.items()},
        "analysed_s": analysed,
        "p95_ms": figures["due_to_decision_ms"]["p95"],
        "participants_by_cpu": round(len(os.sched_getaffinity(0)) * 1000 / at_rate_ms, 1),
    }


async def codecs(
    server: ServerProcess,
    load: Load,
    rate: float,
    which: Sequence[Codec] = CODECS,
    size: tuple[int, int] = (640, 360),
) -> list[Row]:
    """A row for each codec, with generated footage of one size."""
    return [await cost_of(server, _short_footage(codec, size, load.fps), load, rate) for codec in which]


async def sizes(
    server: ServerProcess, load: Load, rate: float, which: Sequence[tuple[int, int]] = SIZES
) -> list[Row]:
    """A row for each size, with H.264."""
    return [await cost_of(server, _short_footage(Codec.H264, size, load.fps), load, rate) for size in which]


def _short_footage(codec: Codec, size: tuple[int, int], fps: float) -> list[Footage]:
    # One period of motion in two variants, because some of these encoders are slow.
    return own_footage(codec, size, fps, (KEYFRAME_S[0], KEYFRAME_S[0]), variants=2, clip_s=PERIOD_S)


async def cores_against_capacity(
    load: Load,
    bounds: Bounds,
    counts: Sequence[int],
    *,
    confirm_s: float,
    report: Callable[[str], None],
) -> dict[int, Found]:
    """The capacity for each number of cores, which server and load generator share."""
    found: dict[int, Found] = {}
    everything = sorted(os.sched_getaffinity(0))
    for count in counts:
        which = frozenset(everything[:count])
        async with ServerProcess([], cores=which) as server:
            report(f"on {count} of {len(everything)} cores")
            confined = replace(load, cores=which)
            found[count] = await find_capacity(server, confined, bounds, confirm_s=confirm_s, report=report)
    return found


def batches(counts: Sequence[int], backend: Backend, seconds: float, threads: int = 1) -> list[Row]:
    """Pictures per second of one detector for each batch size, on frames of the public photograph in motion.

    Measures for `seconds` per batch size and takes the median batch.
    """
    cv2.setNumThreads(1)
    settings = load_settings(overrides={"detect": {"backend": backend, "threads": threads}})
    frames = list(photo_frames(2.0, 30.0, motion="always"))
    detector = open_detector(settings.detect.detector())
    rows: list[Row] = []
    try:
        detector.warm()
        for count in counts:
            batch = [frames[index % len(frames)] for index in range(count)]
            detector.detect(batch)  # the first batch of a size may be compiled
            took_s: list[float] = []
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s or not took_s:
                started_s = time.perf_counter()
                detector.detect(batch)
                took_s.append(time.perf_counter() - started_s)
            batch_s = statistics.median(took_s)
            rows.append(
                {
                    "backend": backend,
                    "device": device_name(backend),
                    "batch": count,
                    "pictures_s": round(count / batch_s, 1),
                    "batch_ms": round(batch_s * 1000, 2),
                }
            )
    finally:
        detector.close()
    return rows


def device_name(backend: Backend) -> str:
    """The name of the GPU that TensorFlow uses, or "cpu"."""
    if backend != "savedmodel":
        return "cpu"
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    if not cards:
        return "cpu"
    return str(tf.config.experimental.get_device_details(cards[0]).get("device_name", cards[0].name))


async def stages(
    server: ServerProcess, load: Load, bare: Bare | None = None
) -> tuple[list[Row], dict[str, Any]]:
    """The cost per frame of each stage, and the run that it was measured in. `bare` is measured if not given."""
    figures = await measure(server, load)
    if bare is None:
        bare = await asyncio.to_thread(saturate, load.footage, load.fps, load.seconds)
    return table(figures, bare, bare_costs(load.footage[0])), figures


def show_rows(rows: Sequence[Row], title: str) -> None:
    """Prints rows as a table."""
    from rich.console import Console
    from rich.table import Table

    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = Table(*(name.replace("_", " ") for name in names), title=title)
    for row in rows:
        shown.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=160).print(shown)


def main() -> None:
    """The command line."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["curve", "codecs", "sizes", "cores", "batches", "stages"])
    parser.add_argument("--counts", type=_numbers, help="participants, cores or batch sizes: 1,2,4")
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of each measurement")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--size", type=size_of, default=(640, 360))
    parser.add_argument(
        "--rate", type=float, default=3.0, help="analyses per second and participant for the costs"
    )
    parser.add_argument("--backend", choices=["litert", "savedmodel"], default="litert", help="for batches")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = (
        batches(arguments.counts or (1, 2, 4, 8), arguments.backend, arguments.seconds)
        if (arguments.what == "batches")
        else asyncio.run(_measured(arguments))
    )
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        show_rows(rows, arguments.what)


async def _measured(arguments: argparse.Namespace) -> list[Row]:
    footage = own_footage(Codec.H264, arguments.size, arguments.fps, clip_s=CLIP_S)
    load = Load(PARTICIPANTS, arguments.fps, arguments.seconds, footage, mcus=2)
    if arguments.what == "cores":
        counts = arguments.counts or range(1, len(os.sched_getaffinity(0)) + 1)
        found = await cores_against_capacity(load, Bounds(), list(counts), confirm_s=16.0, report=print)
        return [{"cores": count, "carried": each.participants} for count, each in found.items()]
    async with ServerProcess([]) as server:
        match arguments.what:
            case "curve":
                counts = arguments.counts or (1, 2, 4, 8, 16, 32)
                return [load_row(each) for each in await curve(server, load, counts)]
            case "codecs":
                return await codecs(server, load, arguments.rate, size=arguments.size)
            case "sizes":
                return await sizes(server, load, arguments.rate)
            case _:
                return (await stages(server, load))[0]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
