"""LiteRT in eight bits, and what each form of the model loses against the float one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig
from gifcue.detect.factory import open_detector
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue_lab.export.artifacts import convert, described, load_networks, update_checksums, update_metadata
from gifcue_lab.training.samples import Photo, read_image, read_photos

# Pictures whose activations set the ranges: more change nothing that can be measured. Those of a label come on top.
EXAMPLES, EXAMPLES_A_LABEL = 240, 60

T = TypeVar("T")
Report = Callable[[str], None]


def add_int8(model_dir: Path, data_dir: Path, *, report: Report = print) -> None:
    """Writes `NAME.int8.tflite` beside each network of `model_dir`; ranges come from the train split of `data_dir`.

    Convolutions compute in int8; what turns their answers into scores, boxes and landmarks stays in float.

    Raises:
        ConfigError: the weights or the photographs are missing.
        ModelError: the metadata is damaged.
    """
    configs, metadata = described(model_dir), read_metadata(model_dir, "savedmodel")
    photos = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    for name, network in load_networks(model_dir).items():

        def examples(name: str = name) -> Iterator[list[Any]]:
            return _scenes(photos, metadata) if name == "detector" else _crops(photos, name, metadata)

        content = convert(network, configs[name], examples=examples)
        path = model_dir / f"{name}.int8.tflite"
        path.write_bytes(content)
        report(f"{path}: {len(content):,} bytes")

    def change(written: dict[str, Any]) -> None:
        for name, entry in written["files"].items():
            entry["int8"] = {"path": f"{name}.int8.tflite", "sha256": ""}

    update_metadata(model_dir, change)
    update_checksums(model_dir)


def _scenes(photos: list[Photo], metadata: Metadata) -> Iterator[list[Any]]:
    info = metadata.info
    size = (info.input_width, info.input_height)
    for photo in _spread(photos, EXAMPLES):
        frame = read_image(photo.path)
        fit = processing.Letterbox.fit(frame.shape[1], frame.shape[0], *size)
        yield [processing.warp(frame, fit.matrix(), size, processing.LETTERBOX_GREY)[None]]


def _crops(photos: list[Photo], kind: str, metadata: Metadata) -> Iterator[list[Any]]:
    """Crops of all sorts, then some of each label: what few show must lie within the ranges, too."""
    stage = metadata.stages[kind]
    every = [(photo, photo.of_kind(kind)[0]) for photo in photos if photo.of_kind(kind)]
    chosen = _spread(every, EXAMPLES)
    for label in stage.labels:
        showing = [
            (photo, sample) for photo in photos for sample in photo.of_kind(kind) if sample.attribute == label
        ]
        chosen += _spread(showing, EXAMPLES_A_LABEL)
    for photo, sample in chosen:
        yield [processing.crop(read_image(photo.path), sample.box, stage.margin, stage.size)[None]]


def _spread(items: list[T], count: int) -> list[T]:
    return items[:: max(1, len(items) // count)]


def measure(
    forms: Mapping[str, DetectorConfig], data_dir: Path, split: str, *, report: Report = print
) -> dict[str, dict[str, float]]:
    """The figures of every form of a model on a split, and what it loses against the first. Returns them by form."""
    from gifcue_lab.evaluation.metrics import evaluate
    from gifcue_lab.evaluation.run import run_detector
    from gifcue_lab.evaluation.truth import read_truth

    truth = read_truth(data_dir, split)
    figures: dict[str, dict[str, float]] = {}
    for name, form in forms.items():
        detector = open_detector(form)
        labels = evaluate(truth, run_detector(detector, truth, clock=time.perf_counter)).report["labels"]
        detector.close()
        figures[name] = {
            label: float(entry["ap50" if label in ("face", "hand") else "f1"] or 0.0)
            for label, entry in labels.items()
        }
        first = next(iter(figures.values()))
        parts = [
            f"{label} {value:.3f} ({value - first[label]:+.3f})" for label, value in figures[name].items()
        ]
        worst = min(value - first[label] for label, value in figures[name].items())
        report(f"{name}: {'  '.join(parts)}  worst {worst:+.3f}")
    return figures
