"""Reads the labelled regions of every picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import Annotation, DatasetError
from gifcue_lab.datasets.pictures import read_folder
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import ATTRIBUTES, labels_of, pair_up, with_own_labels
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
    """One labelled picture.

    Attributes:
        name: `group/file`.
        width, height: in pixels, as stored.
        left_out: the labels of boxes that lie on no face or hand, and are no known label.
    """

    name: str
    group: str
    path: Path
    width: int
    height: int
    regions: tuple[TruthRegion, ...]
    left_out: tuple[str, ...] = ()


def read_truth(root: Path, split: str | None = None, track: Track = quiet) -> list[TruthPicture]:
    """The labelled pictures of a directory, or of its subdirectory `split`. Directories in it are groups.

    Labels that gifcue does not know belong to the faces or hands whose boxes they duplicate (`with_own_labels`).
    Raises `DatasetError` if there are no pictures, or labels cannot be read.
    """
    found = list(read_folder(root / split if split else root, track))
    attributes = with_own_labels(picture.annotation for picture in found)
    known = set(labels_of(attributes))
    pictures = []
    for picture in found:
        if not isinstance(picture.source, Path):
            raise DatasetError(f"{picture.name}: expected a picture on disk, got one in memory")
        labels = picture.annotation
        left_out = tuple(each.label for each in labels.objects if each.label not in known)
        regions = truth_regions(labels, attributes)
        pictures.append(
            TruthPicture(
                picture.name, picture.group, picture.source, labels.width, labels.height, regions, left_out
            )
        )
    return pictures


def truth_regions(
    annotation: Annotation, attributes: Mapping[str, Sequence[str]] = ATTRIBUTES
) -> tuple[TruthRegion, ...]:
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
        for region in pair_up(annotation, attributes)
    )


def box_array(boxes: Sequence[Box]) -> Floats:
    """float64 [N, 4] of ymin, xmin, ymax, xmax."""
    return np.array([(b.ymin, b.xmin, b.ymax, b.xmax) for b in boxes], np.float64).reshape(-1, 4)
