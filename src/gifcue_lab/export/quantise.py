"""LiteRT files whose convolutions compute in int8."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gifcue.detect import processing
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.detect.trust import UNCHECKED
from gifcue_lab.export.litert import Report, convert
from gifcue_lab.export.metadata import update_checksums, update_metadata
from gifcue_lab.quiet import quietly
from gifcue_lab.training.samples import Photo, read_image, read_photos
from gifcue_lab.training.shapes import NETWORKS, read_shapes
from gifcue_lab.training.weights import load_networks

# Pictures whose activations set the ranges; more make no measurable difference. Crops of each label are added.
EXAMPLES, EXAMPLES_A_LABEL = 240, 60

T = TypeVar("T")


def add_int8(
    model_dir: Path, data_dir: Path, *, only: Collection[str] = NETWORKS, report: Report = print
) -> None:
    """Writes `NAME.int8.tflite` for networks of a model folder.

    Convolutions compute in int8; what turns their results into scores, boxes and landmarks stays in float.

    Args:
        model_dir: the model folder; its metadata gets entries for the new files.
        data_dir: labelled photographs; those of the train split set the ranges.
        only: the networks.
        report: receives the size of each file.

    Raises:
        ConfigError: the weights or the photographs are missing.
        ModelError: the metadata is damaged.
    """
    shapes, metadata = read_shapes(model_dir), read_metadata(model_dir, "savedmodel", sha256=UNCHECKED)
    photos = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    for name, network in load_networks(model_dir).items():
        if name not in only:
            continue

        def examples(name: str = name) -> Iterator[list[Any]]:
            return _scenes(photos, metadata) if name == "detector" else _crops(photos, name, metadata)

        with quietly():
            content = convert(network, shapes[name], examples=examples)
        path = model_dir / f"{name}.int8.tflite"
        path.write_bytes(content)
        report(f"{path}: {len(content):,} bytes")

    def change(written: dict[str, Any]) -> None:
        for name in only:
            written["files"][name]["int8"] = {"path": f"{name}.int8.tflite", "sha256": ""}

    update_metadata(model_dir, change)
    update_checksums(model_dir)


def _scenes(photos: Sequence[Photo], metadata: Metadata) -> Iterator[list[Any]]:
    info = metadata.info
    size = (info.input_width, info.input_height)
    for photo in _evenly_spaced(photos, EXAMPLES):
        frame = read_image(photo.path)
        fit = processing.Letterbox.fit(frame.shape[1], frame.shape[0], *size)
        yield [processing.warp(frame, fit.matrix(), size, processing.LETTERBOX_GREY)[None]]


def _crops(photos: Sequence[Photo], kind: str, metadata: Metadata) -> Iterator[list[Any]]:
    """Crops of all photographs, then some of each label: the ranges must also fit a label that is rare."""
    stage = metadata.stages[kind]
    every = [(photo, photo.of_kind(kind)[0]) for photo in photos if photo.of_kind(kind)]
    chosen = _evenly_spaced(every, EXAMPLES)
    for label in stage.labels:
        showing = [
            (photo, sample) for photo in photos for sample in photo.of_kind(kind) if sample.attribute == label
        ]
        chosen.extend(_evenly_spaced(showing, EXAMPLES_A_LABEL))
    for photo, sample in chosen:
        yield [processing.crop(read_image(photo.path), sample.box, stage.margin, stage.size)[None]]


def _evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """About `count` of the items, evenly spaced: photographs of a person follow one another."""
    return list(items[:: max(1, len(items) // count)])
