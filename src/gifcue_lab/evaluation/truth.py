"""Reads the labelled regions of every picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import Annotation, DatasetError
from gifcue_lab.datasets.pictures import read_folder
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import pair_up
from gifcue_lab.evaluation.matching import Floats


@dataclass(frozen=True, slots=True)
class TruthRegion:
    """One labelled face or hand, as in `LabelledRegion`, with its box in shares of the picture."""

    kind: str
    box: Box
    attribute: str | None
    attribute_known: bool


@dataclass(frozen=True, slots=True)
class TruthPicture:
    """One labelled picture. `name` is `group/file`; `width` and `height` are in pixels, as stored."""

    name: str
    group: str
    path: Path
    width: int
    height: int
    regions: tuple[TruthRegion, ...]


def read_truth(root: Path, split: str | None = None, track: Track = quiet) -> list[TruthPicture]:
    """The labelled pictures of a directory, or of its subdirectory `split`. Directories in it are groups.

    Raises `DatasetError` if there are none, or labels cannot be read.
    """
    base = root / split if split else root
    pictures = []
    for picture in read_folder(base, track):
        if not isinstance(picture.source, Path):
            raise DatasetError(f"{picture.name}: expected a picture on disk, got one in memory")
        size = picture.annotation.width, picture.annotation.height
        regions = truth_regions(picture.annotation)
        pictures.append(TruthPicture(picture.name, picture.group, picture.source, *size, regions))
    return pictures


def truth_regions(annotation: Annotation) -> tuple[TruthRegion, ...]:
    """The regions of one picture, with boxes in shares of it."""
    width, height = annotation.width, annotation.height
    return tuple(
        TruthRegion(
            region.kind,
            Box(
                region.box.ymin / height,
                region.box.xmin / width,
                region.box.ymax / height,
                region.box.xmax / width,
            ),
            region.attribute,
            region.attribute_known,
        )
        for region in pair_up(annotation)
    )


def box_array(boxes: Sequence[Box]) -> Floats:
    """float64 [N, 4] of ymin, xmin, ymax, xmax."""
    return np.array([(b.ymin, b.xmin, b.ymax, b.xmax) for b in boxes], np.float64).reshape(-1, 4)
