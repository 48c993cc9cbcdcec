"""LiteRT in eight bits, and what each form of the model loses against the float one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gifcue.detect import glue
from gifcue.detect.detector import Backend, DetectorConfig, open_detector
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.training.export import (
    convert,
    copy_description,
    described,
    export_litert,
    load_networks,
    update_checksums,
)
from gifcue.training.samples import Photo, read_image, read_photos

# Photographs whose activations set the ranges: more change nothing that can be measured.
EXAMPLES = 240

Report = Callable[[str], None]


def export_int8(model_dir: Path, out: Path, data_dir: Path, *, report: Report = print) -> None:
    """Writes a model folder whose detector computes in int8; ranges come from the train split of `data_dir`.

    The close looks stay as they are: 256 steps are too few for the softmax over their heat maps.
    """
    copy_description(model_dir, out)
    export_litert(out, report=lambda line: None)
    configs, metadata = described(model_dir), read_metadata(model_dir, "savedmodel")
    photos = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    photos = photos[:: max(1, len(photos) // EXAMPLES)]
    network = load_networks(model_dir)["detector"]
    content = convert(network, configs["detector"], examples=partial(_examples, photos, metadata))
    (out / "detector.tflite").write_bytes(content)
    report(f"{out / 'detector.tflite'}: {len(content):,} bytes")
    update_checksums(out)


def _examples(photos: list[Photo], metadata: Metadata) -> Iterator[list[Any]]:
    info = metadata.info
    for photo in photos:
        frame = read_image(photo.path)
        fit = glue.Letterbox.fit(frame.shape[1], frame.shape[0], info.input_width, info.input_height)
        size = (info.input_width, info.input_height)
        yield [glue.warp(frame, fit.matrix(), size, glue.LETTERBOX_GREY)[None]]


def measure_folders(
    folders: Mapping[str, Path], data_dir: Path, split: str, *, report: Report = print
) -> dict[str, dict[str, float]]:
    """The figures of every folder on a split, and what it loses against the first. Returns them by folder."""
    from gifcue.training.evaluation.figures import evaluate
    from gifcue.training.evaluation.run import run_detector
    from gifcue.training.evaluation.truth import read_truth

    truth = read_truth(data_dir, split)
    figures: dict[str, dict[str, float]] = {}
    for name, folder in folders.items():
        backend: Backend = "savedmodel" if name == "savedmodel" else "litert"
        detector = open_detector(DetectorConfig(folder, backend))
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
