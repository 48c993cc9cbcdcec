"""One frame on one core: gifcue's detector beside MediaPipe hands + face mesh, on the same frames, in turns.

    python -m benchmarks.detector [--images DIR] [--frames 48] [--rounds 5] [--json]

Each runs in a process of its own, in an environment of its own, all pinned to one and the same core; they take turns, a
round of all frames each, so that whatever else the machine does hits all alike. Only inference is timed. MediaPipe is
measured in both of its modes, finding anew in every frame and following from frame to frame; the ratio is that to the
faster one, of medians or of means, whichever is worse for gifcue.
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

from benchmarks.detector_side import MODES, ONE_THREAD, SIDES
from benchmarks.peers import environments

Frames = list[npt.NDArray[np.uint8]]
ENDINGS = (".jpg", ".jpeg", ".png")
# The share of MediaPipe's time that gifcue sets itself.
GOAL = 1 / 3


@dataclass
class Spent:
    """What one side took and found, over all rounds. Faces and hands are those of one round.

    CPU beside time tells how much else the core had to do: where they differ much, repeat on a quiet machine.
    """

    ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    faces: int = 0
    hands: int = 0


def public_frames(count: int) -> Frames:
    """`count` frames of 640x360: the astronaut photograph under a moving camera, as `make bench` shows it."""
    from gifcue.sample_video.photo import photo_frames

    return list(photo_frames(count / 30.0, 30.0, motion="always"))


def read_frames(folder: Path, count: int) -> Frames:
    """`count` of the pictures under a folder, evenly spread over their sorted names.

    Raises:
        ValueError: there is no picture, or one cannot be read.
    """
    import cv2

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise ValueError(f"--images: expected pictures ({', '.join(ENDINGS)}) under {folder}, got none")
    frames = []
    for path in evenly(paths, count):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f"--images: expected a picture, got {path}")
        frames.append(np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8))
    return frames


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of them, evenly spread, the first among them."""
    kept = min(count, len(paths))
    return [paths[place * len(paths) // kept] for place in range(kept)]


class Side:
    """`with Side(...)`: a process that has read the frames and is warm, and works only when told to."""

    def __init__(self, name: str, python: Path | str, frames: Path, core: int) -> None:
        self.name = name
        self._command = [str(python), "-m", "benchmarks.detector_side", name, str(frames)]
        self._core = core

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            cwd=environments.REPOSITORY,
            env=os.environ | ONE_THREAD | {"GLOG_minloglevel": "2", "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        # From outside and at once, so that every thread that the libraries start is born on that core.
        os.sched_setaffinity(self._process.pid, {self._core})
        self._answer("ready")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def round(self) -> dict[str, Any]:
        """Goes through all frames once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._answer("times")))

    def _answer(self, expected: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = " ".join(self._said.read().strip().splitlines()[-1:])
            raise RuntimeError(f"{self.name}: expected {expected}, the process ended: {last}")
        return line


def measure(frames: Frames, rounds: int, core: int) -> dict[str, Spent]:
    """Runs the sides in turns, gifcue between both modes of MediaPipe each round."""
    elsewhere = environments.make("mediapipe")
    spent = {name: Spent() for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frames.npz")
        np.savez(path, **{f"{place:05}": frame for place, frame in enumerate(frames)})  # type: ignore[arg-type]
        pythons = {name: sys.executable if name == "gifcue" else elsewhere for name in SIDES}
        with (
            Side(MODES[0], pythons[MODES[0]], path, core) as static,
            Side("gifcue", pythons["gifcue"], path, core) as ours,
            Side(MODES[1], pythons[MODES[1]], path, core) as video,
        ):
            for _ in range(rounds):
                for side in (static, ours, video):
                    seen = side.round()
                    spent[side.name].ms += seen["ms"]
                    spent[side.name].cpu_ms += seen["cpu_ms"]
                    spent[side.name].faces, spent[side.name].hands = seen["faces"], seen["hands"]
    return spent


def compare(spent: Mapping[str, Spent], frames: int) -> dict[str, Any]:
    """The figures. `share` is gifcue's time over MediaPipe's; `share_of_mediapipe` the headline."""
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
    return {"frames": frames, "sides": figures, "share_of_mediapipe": headline, "goal": round(GOAL, 3)}


def show(figures: dict[str, Any]) -> None:
    """The figures as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One frame on one core, milliseconds, {figures['frames']} frames")
    for heading in ("", "median", "mean", "CPU", "faces", "hands", "share"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, each in figures["sides"].items():
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
        f"share: gifcue's time over this one's, by median / by mean; faces and hands: found in a frame\n"
        f"gifcue takes {figures['share_of_mediapipe']:.2f} of the time of the faster mode of MediaPipe, "
        f"the worse of median and mean; the goal is {figures['goal']:.2f} or less"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detector", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--images", type=Path, help="a folder of pictures, in place of the public photograph")
    parser.add_argument("--frames", type=int, default=48, help="how many frames")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side goes through all of them")
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
