"""What a detector found in the frames of a clip, in a file, so that the policy can be run on it again.

Everything that the policy uses is recorded: boxes, scores, attributes and the centre of a hand's landmarks.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gifcue.detect.regions import KINDS, Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError

SUFFIX = ".npz"
# What numpy raises for a file that is missing, cut or something else.
_ERRORS = (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The faces and hands of one analysed frame; `at_s` is seconds from the clip's start."""

    at_s: float
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """The analysed frames of a clip.

    Attributes:
        seconds: the clip's length.
        frames: in their order.
        of: digest of what the detections depend on: the clip, the model and its settings.
        about: describes the detector, as in a report.
    """

    seconds: float
    frames: tuple[Recorded, ...]
    of: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def recording_path(directory: Path, clip: str) -> Path:
    """The file of a clip's recording."""
    return directory / (clip + SUFFIX)


def write_recording(path: Path, recording: Recording) -> None:
    """Writes a recording. Creates its folder."""
    frames = recording.frames
    rows = [(number, region) for number, frame in enumerate(frames) for region in frame.regions]
    labels = sorted({label for _, region in rows for label in region.attributes})
    centers = [region.center_of_landmarks() or (np.nan, np.nan) for _, region in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            seconds=np.array(recording.seconds),
            of=np.array(recording.of),
            about=np.array(json.dumps(recording.about)),
            at_s=np.array([frame.at_s for frame in frames], np.float64),
            frame=np.array([number for number, _ in rows], np.int32),
            kind=np.array([KINDS.index(region.kind) for _, region in rows], np.int8),
            box=np.array([_corners(region.box) for _, region in rows], np.float64).reshape(-1, 4),
            score=np.array([region.score for _, region in rows], np.float64),
            center=np.array(centers, np.float64).reshape(-1, 2),
            labels=np.array(labels, str),
            # A label that was not evaluated is not a number.
            attributes=np.array(
                [[region.attributes.get(label, np.nan) for label in labels] for _, region in rows], np.float64
            ).reshape(len(rows), len(labels)),
        )
    part.replace(path)


def is_recording_of(path: Path, of: str) -> bool:
    """Whether the file is a recording with this digest. False where it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return str(arrays["of"]) == of
    except _ERRORS:
        return False


def read_recording(path: Path) -> Recording:
    """Reads a recording.

    Raises:
        DatasetError: the file is missing, or no recording.
    """
    try:
        # numpy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            regions = list(_regions(arrays))
            found: list[list[Region]] = [[] for _ in arrays["at_s"]]
            for number, region in zip(arrays["frame"].tolist(), regions, strict=True):
                found[number].append(region)
            frames = tuple(
                Recorded(at_s, tuple(each)) for at_s, each in zip(arrays["at_s"].tolist(), found, strict=True)
            )
            about = json.loads(str(arrays["about"]))
            return Recording(float(arrays["seconds"]), frames, str(arrays["of"]), about)
    except _ERRORS as error:
        raise DatasetError(f"{path}: expected a recording of detections, got: {error}") from None


def _regions(arrays: np.lib.npyio.NpzFile) -> Iterator[Region]:
    labels = arrays["labels"].tolist()
    for kind, box, score, center, attributes in zip(
        arrays["kind"].tolist(),
        arrays["box"].tolist(),
        arrays["score"].tolist(),
        arrays["center"].tolist(),
        arrays["attributes"].tolist(),
        strict=True,
    ):
        shown = {label: value for label, value in zip(labels, attributes, strict=True) if value == value}
        middle = None if center[0] != center[0] else (center[0], center[1])
        yield Region(KINDS[kind], Box(*box), score, shown, landmark_center=middle)


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.ymin, box.xmin, box.ymax, box.xmax
