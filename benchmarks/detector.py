"""Compares gifcue's detector with MediaPipe hands and face mesh: one frame on one core, the same frames for both.

    python -m benchmarks.detector [--images DIR] [--frames 48] [--rounds 5] [--json]

Each detector runs in its own process and environment, all pinned to the same core. They alternate, one round of all
frames each, so that other work of the machine affects all of them equally. Only inference is timed. MediaPipe is
measured in both of its modes: detection in every frame, and tracking from frame to frame. The ratio is to the faster
mode, by median or by mean, whichever is worse for gifcue.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from benchmarks.detector_process import DETECTORS, MODES, ONE_THREAD
from benchmarks.peers import environments

Frames = list[npt.NDArray[np.uint8]]
SUFFIXES = (".jpg", ".jpeg", ".png")
# gifcue's goal: at most this fraction of MediaPipe's time.
GOAL = 1 / 3


@dataclass
class Spent:
    """The times of one detector over all rounds, and the faces and hands that it found in one round.

    If CPU time and elapsed time differ much, the core did other work: repeat the run on an idle machine.
    """

    ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    faces: int = 0
    hands: int = 0


def public_frames(count: int) -> Frames:
    """`count` frames of 640x360: the astronaut photograph under a moving camera, as in `make bench`."""
    from gifcue.sample_video.photo import photo_frames

    return list(photo_frames(count / 30.0, 30.0, motion="always"))


def read_frames(folder: Path, count: int) -> Frames:
    """At most `count` of the pictures under a folder, evenly spread over their sorted names.

    Raises:
        ValueError: there is no picture, or one cannot be read.
    """
    import cv2

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"--images: expected pictures ({', '.join(SUFFIXES)}) under {folder}, got none")
    frames = []
    for path in evenly(paths, count):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"--images: expected a picture, got {path}")
        frames.append(np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8))
    return frames


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spread, beginning with the first."""
    kept = min(count, len(paths))
    return [paths[place * len(paths) // kept] for place in range(kept)]


class DetectorProcess:
    """`with DetectorProcess(...)`: a warm process that has read the frames and runs a round on request."""

    def __init__(self, name: str, python: Path | str, frames: Path, core: int) -> None:
        self.name = name
        self._command = [str(python), "-m", "benchmarks.detector_process", name, str(frames)]
        self._core = core

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            cwd=environments.REPOSITORY,
            env=os.environ | ONE_THREAD | {"GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        # Set before the libraries start threads, so that every thread inherits the core.
        os.sched_setaffinity(self._process.pid, {self._core})
        self._answer("ready")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def round(self) -> dict[str, Any]:
        """Runs the detector on all frames once. Returns the line of JSON that the process answers with."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._answer("times")))

    def _answer(self, expected: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.wait()
            self._stderr.seek(0)
            last = " ".join(self._stderr.read().strip().splitlines()[-1:])
            raise RuntimeError(f"{self.name}: expected {expected}, the process ended: {last}")
        return line


def measure(frames: Frames, rounds: int, core: int) -> dict[str, Spent]:
    """Runs the detectors alternately, in each round gifcue between both modes of MediaPipe."""
    mediapipe_python = environments.make("mediapipe")
    spent = {name: Spent() for name in DETECTORS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frames.npz")
        np.savez(path, **{f"{place:05}": frame for place, frame in enumerate(frames)})  # type: ignore[arg-type]
        pythons = {name: sys.executable if name == "gifcue" else mediapipe_python for name in DETECTORS}
        with (
            DetectorProcess(MODES[0], pythons[MODES[0]], path, core) as static,
            DetectorProcess("gifcue", pythons["gifcue"], path, core) as ours,
            DetectorProcess(MODES[1], pythons[MODES[1]], path, core) as video,
        ):
            for _ in range(rounds):
                for detector in (static, ours, video):
                    result = detector.round()
                    spent[detector.name].ms += result["ms"]
                    spent[detector.name].cpu_ms += result["cpu_ms"]
                    spent[detector.name].faces = result["faces"]
                    spent[detector.name].hands = result["hands"]
    return spent


def compare(spent: Mapping[str, Spent], frames: int) -> dict[str, Any]:
    """The report. `share` is gifcue's time divided by MediaPipe's, `share_of_mediapipe` the worst of these."""
    figures: dict[str, Any] = {}
    for name, each in spent.items():
        figures[name] = {
            "median_ms": round(statistics.median(each.ms), 2),
            "mean_ms": round(statistics.fmean(each.ms), 2),
            "cpu_mean_ms": round(each.cpu_ms / len(each.ms), 2),
            "faces_per_frame": round(each.faces / frames, 3),
            "hands_per_frame": round(each.hands / frames, 3),
        }
    ours = figures["gifcue"]
    for name in MODES:
        figures[name]["share"] = {
            measure: round(ours[measure] / figures[name][measure], 3) for measure in ("median_ms", "mean_ms")
        }
    # The largest share is that of the faster mode: it has the smaller divisor.
    headline = max(share for name in MODES for share in figures[name]["share"].values())
    return {"frames": frames, "detectors": figures, "share_of_mediapipe": headline, "goal": round(GOAL, 3)}


def show(figures: dict[str, Any]) -> None:
    """Prints the report as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One frame on one core, milliseconds, {figures['frames']} frames")
    for heading in ("", "median", "mean", "CPU", "faces", "hands", "share"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, each in figures["detectors"].items():
        share = each.get("share")
        table.add_row(
            name,
            f"{each['median_ms']:.1f}",
            f"{each['mean_ms']:.1f}",
            f"{each['cpu_mean_ms']:.1f}",
            f"{each['faces_per_frame']:.2f}",
            f"{each['hands_per_frame']:.2f}",
            f"{share['median_ms']:.2f} / {share['mean_ms']:.2f}" if share else "",
        )
    console = Console()
    console.print(table)
    console.print(
        "share: gifcue's time divided by this detector's, by median / by mean; faces and hands: found per frame\n"
        f"gifcue takes {figures['share_of_mediapipe']:.2f} of the time of MediaPipe's faster mode, "
        f"by median or mean, whichever is worse; the goal is {figures['goal']:.2f} or less"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detector", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--images", type=Path, help="a folder of pictures, in place of the public photograph")
    parser.add_argument("--frames", type=int, default=48, help="how many frames")
    parser.add_argument("--rounds", type=int, default=5, help="how often each detector runs on all frames")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to run on")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.rounds < 1:
        parser.error(f"--frames, --rounds: expected 1 or more, got {arguments.frames}, {arguments.rounds}")
    try:
        frames = (
            read_frames(arguments.images, arguments.frames)
            if arguments.images
            else public_frames(arguments.frames)
        )
    except ValueError as error:
        parser.error(str(error))
    figures = compare(measure(frames, arguments.rounds, arguments.core), len(frames))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
