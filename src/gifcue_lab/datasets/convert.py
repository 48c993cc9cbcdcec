"""Converts labels between file formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.coco import write_coco
from gifcue_lab.datasets.cvat import read_cvat
from gifcue_lab.datasets.pictures import LabelledPicture, label_order, read_folder
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import LABELS
from gifcue_lab.datasets.tfrecord import read_tfrecord, write_tfrecord
from gifcue_lab.datasets.voc import write_voc

Source = Literal["voc", "tfrecord", "cvat"]
Target = Literal["voc", "tfrecord", "coco"]


@dataclass(frozen=True)
class Converted:
    """Numbers of pictures and boxes written, and the labels in the order of their numbers, from 1."""

    pictures: int
    objects: int
    labels: tuple[str, ...]


def read_any(
    kind: Source, source: Path, pictures: Path | None, track: Track = quiet
) -> list[LabelledPicture]:
    """Reads a directory (voc), a record file or a directory of *.tfrecord (tfrecord), or an export (cvat).

    `pictures` is the directory of a CVAT export's pictures, by default that of the export.
    """
    if kind == "voc":
        return list(read_folder(source, track))
    if kind == "cvat":
        return list(read_cvat(source, pictures or source.parent))
    files = sorted(source.glob("*.tfrecord*")) if source.is_dir() else [source]
    if not files:
        raise DatasetError(f"{source}: expected *.tfrecord files, got none")
    return [picture for file in track(files, "reading records") for picture in read_tfrecord(file)]


def convert(
    source: Path,
    out: Path,
    *,
    read: Source,
    write: Target,
    pictures: Path | None = None,
    labels: Sequence[str] = (),
    track: Track = quiet,
) -> Converted:
    """Converts a dataset.

    Args:
        source: as for `read_any`.
        out: a directory for voc (`group/name.xml` beside a copy of the picture), otherwise a file.
        read, write: the formats.
        pictures: as for `read_any`.
        labels: the labels in the order of their numbers, from 1. By default gifcue's labels that occur, in gifcue's
            order, then the others, sorted.
        track: shows progress.

    Raises:
        DatasetError: the source cannot be read, a label is not among `labels`, or a picture or XML file to be written
            for voc exists. Files are never overwritten, because they may hold corrections.
    """
    found = read_any(read, source, pictures, track)
    order = tuple(labels) or label_order(found, LABELS)
    tracked = track(found, f"writing {write}")
    if write == "tfrecord":
        write_tfrecord(out, tracked, order)
    elif write == "coco":
        write_coco(out, tracked, order)
    else:
        _refuse_overwriting(out, found)
        for picture in tracked:
            target = out / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture.encoded())
            write_voc(target.with_suffix(".xml"), picture.annotation)
    return Converted(len(found), sum(len(p.annotation.objects) for p in found), order)


def _refuse_overwriting(out: Path, pictures: Sequence[LabelledPicture]) -> None:
    for picture in pictures:
        for path in (out / picture.name, (out / picture.name).with_suffix(".xml")):
            if path.exists():
                raise DatasetError(
                    f"{path}: expected a place without files of these names, got one already there"
                )
