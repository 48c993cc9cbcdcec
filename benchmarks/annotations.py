"""Complete annotations per second: all labels of a picture, decoding included.

    python -m benchmarks.annotations [--images DIR] [--seconds 8] [--json]

Measures four rates: the detector alone on a picture in memory; decoding and detecting in bare loops, both with one
process per core; the same JPEGs through a server's AnnotateImage, several at once; and frames of video, streamed to a
server that analyses as many as it can. The service that gifcue is based on made 8 annotations per second on a V100. By
default the picture is the public photograph of a face and a hand, at 640x360. The video is always the photograph in
motion.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from benchmarks.bare import in_processes
from benchmarks.footage import Footage, own_footage
from benchmarks.latency import finite, percentile
from benchmarks.load import machine, show, size_of
from benchmarks.measure import Load
from benchmarks.measure import measure as measure_load
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess, spent
from gifcue.client import ReactionClient
from gifcue.detect.factory import open_detector
from gifcue.media.stills import scaled_still
from gifcue.sample_video.photo import photo_frames
from gifcue.server.config import load_settings

# Annotations per second of the original service on an Nvidia V100.
ORIGINAL_S = 8.0
IN_FLIGHT_PER_CORE = 3
# Participants whose every frame is offered for analysis: many more frames than the detectors can analyse.
STREAMED_PER_CORE = 6
STREAMED_FPS = 30.0
EVERY_FRAME = {
    "GIFCUE_MEDIA__FILTER__ENABLED": "false",
    "GIFCUE_MEDIA__MAX_ANALYSIS_FPS": str(STREAMED_FPS),
    "GIFCUE_MEDIA__MIN_ANALYSIS_FPS": str(STREAMED_FPS),
}
_SUFFIXES = {".jpg", ".jpeg", ".png"}


def pictures(folder: Path | None, size: tuple[int, int]) -> list[bytes]:
    """The JPEG and PNG files of a folder, sorted by name, or the public photograph as a JPEG.

    Raises:
        ValueError: there is no such file in the folder.
    """
    if folder is None:
        frame = next(iter(photo_frames(1.0, 1.0, *size, motion="still")))
        options = [cv2.IMWRITE_JPEG_QUALITY, 90]
        return [cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)[1].tobytes()]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: expected JPEG or PNG files, got none")
    return [path.read_bytes() for path in paths]


def bare(images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Pictures per second of the detector alone, and of decoding and detector, with one process per core."""
    cores = sorted(os.sched_getaffinity(0))
    done = in_processes(_loop, [(core, list(images), seconds) for core in cores])
    return {
        "processes": len(cores),
        "regions_per_picture": round(
            sum(each["regions"] for each in done) / sum(each["all"] for each in done), 2
        ),
        "detector_per_second": round(sum(each["detect_rate"] for each in done), 1),
        "with_jpeg_per_second": round(sum(each["all_rate"] for each in done), 1),
    }


def _loop(connection: Connection, core: int, images: list[bytes], seconds: float) -> None:
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    settings = load_settings()
    media, stills = settings.media, settings.stills
    detector = open_detector(settings.detect.detector())
    detector.warm()

    def decoded(image: bytes) -> Any:
        return scaled_still(image, media.max_pixels, stills.long_side, stills.short_side)[0]

    frames = [decoded(image) for image in images]
    connection.send("ready")
    connection.recv()
    found = counted = 0
    started_s = time.monotonic()
    # Half of the time for each measurement. The other processes change over at the same moment.
    while (elapsed_s := time.monotonic() - started_s) < seconds / 2:
        detector.detect([frames[counted % len(frames)]])
        counted += 1
    detect_rate = counted / elapsed_s
    counted = 0
    started_s = time.monotonic()
    while (elapsed_s := time.monotonic() - started_s) < seconds / 2:
        found += len(detector.detect([decoded(images[counted % len(images)])])[0])
        counted += 1
    connection.send(
        {"detect_rate": detect_rate, "all_rate": counted / elapsed_s, "all": counted, "regions": found}
    )


async def served(server: ServerProcess, images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Pictures per second through AnnotateImage, with `IN_FLIGHT_PER_CORE` requests per core in flight."""
    in_flight = IN_FLIGHT_PER_CORE * len(os.sched_getaffinity(0))
    latencies_ms: list[float] = []
    found = 0
    async with ReactionClient(server.target) as client:
        for image in images[:in_flight]:
            await client.annotate(image)
        before, own_s = server.costs(with_memory=False), time.process_time()
        started_s = time.monotonic()

        async def send_requests(first: int) -> None:
            nonlocal found
            place = first
            while time.monotonic() - started_s < seconds:
                begin_s = time.monotonic()
                answer = await client.annotate(images[place % len(images)])
                latencies_ms.append((time.monotonic() - begin_s) * 1000)
                found += len(answer.annotations)
                place += in_flight

        async with asyncio.TaskGroup() as group:
            for number in range(in_flight):
                group.create_task(send_requests(number))
        elapsed_s = time.monotonic() - started_s
        costs = spent(before, server.costs())
        own_s = time.process_time() - own_s
    rate = len(latencies_ms) / elapsed_s
    return {
        "in_flight": in_flight,
        "per_second": round(rate, 1),
        "times_the_original": round(rate / ORIGINAL_S, 1),
        "annotations_per_picture": round(found / max(1, len(latencies_ms)), 2),
        "p50_ms": finite(percentile(latencies_ms, 0.5), 1),
        "p95_ms": finite(percentile(latencies_ms, 0.95), 1),
        "cpu_cores": {each.name: round(each.cpu_s / elapsed_s, 3) for each in costs}
        | {"load generator": round(own_s / elapsed_s, 3)},
    }


async def streamed(server: ServerProcess, footage: list[Footage], seconds: float) -> dict[str, Any]:
    """Annotated video frames per second, with more frames offered than can be analysed."""
    participants = STREAMED_PER_CORE * len(os.sched_getaffinity(0))
    figures = await measure_load(server, Load(participants, STREAMED_FPS, seconds, footage, mcus=2))
    rate = figures["analysed"] / seconds
    return {
        "participants": participants,
        "per_second": round(rate, 1),
        "times_the_original": round(rate / ORIGINAL_S, 1),
        "cpu_cores": figures["cpu_cores"],
    }


def server_arguments() -> list[str]:
    """One detector process per core, because the detectors are what is measured."""
    return ["--detect-workers", str(len(os.sched_getaffinity(0)))]


async def measure(images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Measures bare loops, AnnotateImage and streaming, one after the other."""
    alone = await asyncio.to_thread(bare, images, seconds)
    async with ServerProcess(server_arguments()) as server:
        through = await served(server, images, seconds)
    async with ServerProcess(server_arguments(), EVERY_FRAME) as server:
        video = await streamed(server, own_footage(fps=STREAMED_FPS), seconds)
    best = alone["with_jpeg_per_second"]
    return {
        "pictures": len(images),
        "bare": {**alone, "times_the_original": round(best / ORIGINAL_S, 1)},
        "served": {**through, "share_of_bare": round(through["per_second"] / best, 3)},
        "streamed": video,
    }


def main() -> None:
    """The command line."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.annotations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, help="a folder of JPEG or PNG files")
    parser.add_argument("--size", type=size_of, default=(640, 360), help="size of the public photograph")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="duration of each of the three measurements"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(pictures(arguments.images, arguments.size), arguments.seconds))
    if arguments.json:
        print(json.dumps({"machine": machine(), **figures}, indent=2))
    else:
        show({"machine": machine(), **figures}, "complete annotations per second")


if __name__ == "__main__":
    main()
