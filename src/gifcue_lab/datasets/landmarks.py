"""Writes `landmarks.npz`: a model's landmarks of the labelled faces and hands, for training to keep them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from gifcue.detect.detector import Detector
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import decode_rgb, find_pictures
from gifcue_lab.datasets.progress import Track, quiet

FILE = "landmarks.npz"
# The array that says whose landmarks they are. A file without it has those of MediaPipe's models, the teacher's, or is
# one that `dataset landmarks` wrote before it named its model.
MODEL = "model"
# Landmarks of a region below this score may lie anywhere.
MIN_SCORE = 0.5


def model_of(path: Path) -> str:
    """The model whose landmarks a file holds; "" where it does not say, as the teacher's, or cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays[MODEL]) if MODEL in arrays else ""
    except (OSError, EOFError, ValueError, TypeError, BadZipFile):
        # TypeError: one array, whatever its name says, which no `with` takes.
        return ""


def splits_of(data: Path) -> list[Path]:
    """The folders of a directory that hold pictures. Raises `DatasetError` if there are none."""
    if not data.is_dir():
        raise DatasetError(f"{data}: expected a directory of splits, got none")
    splits = sorted(each for each in data.iterdir() if each.is_dir() and find_pictures(each))
    if not splits:
        raise DatasetError(f"{data}: expected folders with pictures (train, dev), got none")
    return splits


def check_free(splits: Sequence[Path]) -> None:
    """Raises `DatasetError` if a split has landmarks of which nothing says that `write_landmarks` wrote them."""
    for split in splits:
        if (split / FILE).exists() and not model_of(split / FILE):
            raise DatasetError(
                f"{split / FILE}: expected none, or one that this command wrote, got one that does not say whose it "
                "is; --force replaces it"
            )


def write_landmarks(
    detector: Detector, split: Path, face_points: Sequence[int], *, track: Track = quiet
) -> tuple[int, int]:
    """Writes `landmarks.npz` into the folder of a split, and returns the numbers of hands and faces in it.

    A file that is there is replaced.

    Args:
        detector: a model that gives landmarks.
        split: a folder with a folder of pictures for each group.
        face_points: the indices in MediaPipe's face mesh of the detector's face landmarks.
        track: shows progress.

    Raises:
        DatasetError: there are no pictures, or one cannot be read.
    """
    pictures = find_pictures(split)
    if not pictures:
        raise DatasetError(f"{split}: expected pictures, got none")
    files: dict[str, list[str]] = {"hand": [], "face": []}
    points: dict[str, list[Any]] = {"hand": [], "face": []}
    for path in track(pictures, "landmarks"):
        rgb = decode_rgb(path.read_bytes(), str(path))
        height, width = rgb.shape[:2]
        for region in detector.detect([rgb])[0]:
            if region.landmarks is None or region.score < MIN_SCORE:
                continue
            # x and z are shares of the width, y is one of the height.
            scale = np.array([width, height, width], np.float32)[: region.landmarks.shape[1]]
            files[region.kind].append(f"{path.parent.name}/{path.stem}")
            points[region.kind].append(region.landmarks * scale)
    hands, faces = points["hand"], points["face"]
    np.savez_compressed(
        split / FILE,
        hand_file=np.array(files["hand"], np.str_),
        hand_xyz=np.array(hands, np.float16).reshape(len(hands), 21, 3),
        hand_left=np.zeros(len(hands), bool),
        face_file=np.array(files["face"], np.str_),
        face_xy=np.array(faces, np.float16).reshape(len(faces), len(face_points), 2),
        face_points=np.array(face_points, np.int64),
        model=np.array(f"{detector.info.name} {detector.info.version}"),
    )
    return len(hands), len(faces)
