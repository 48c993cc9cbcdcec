"""Every format that can be served, made of one model folder, and the accuracy of each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.factory import open_detector
from gifcue.detect.metadata import read_metadata
from gifcue.detect.trust import UNCHECKED, folder_digest
from gifcue.errors import ConfigError
from gifcue_lab.evaluation.metrics import evaluate
from gifcue_lab.evaluation.run import run_detector
from gifcue_lab.evaluation.truth import read_truth
from gifcue_lab.export.litert import Report, export_litert
from gifcue_lab.export.metadata import copy_description
from gifcue_lab.export.quantise import add_int8
from gifcue_lab.export.savedmodel import export_saved_model


def export(
    model_dir: Path,
    out: Path,
    *,
    saved_model: bool = True,
    int8: bool = True,
    data_dir: Path | None = None,
    split: str = "dev",
    report: Report = print,
) -> None:
    """Writes the formats of a model as folders of `out` that a server can open.

    `litert` holds the LiteRT files (weights as float16, and int8 files), `savedmodel` a TensorFlow SavedModel. The
    digest of each is reported; a server opens the model only if its setting `detect.model_sha256` is that digest.

    Args:
        model_dir: a folder with weights, metadata and label map.
        out: the folder to write into.
        saved_model: whether to make the SavedModel.
        int8: whether to make int8 files; their ranges come from the train split of `data_dir`.
        data_dir: labelled photographs; with them the accuracy of each format is measured and reported.
        split: the split to measure on.
        report: receives sizes, digests and accuracy.

    Raises:
        ConfigError: the weights are missing, or int8 is asked for without `data_dir`.
        ModelError: the metadata is damaged.
    """
    if int8 and data_dir is None:
        raise ConfigError("--data: expected photographs for the ranges of int8, got none")
    litert, saved = out / "litert", out / "savedmodel"
    copy_description(model_dir, litert)
    export_litert(litert, report=report)
    if int8 and data_dir is not None:
        add_int8(litert, data_dir, report=report)
    # After the last change of the metadata, of which it is the digest.
    digest = read_metadata(litert, "litert", sha256=UNCHECKED).info.sha256
    report(f'{litert}: detect.model_sha256 = "{digest}"')
    formats = {"float": DetectorConfig(litert, precision="float", model_sha256=digest)}
    if int8:
        formats["int8"] = DetectorConfig(litert, precision="int8", model_sha256=digest)
    if saved_model:
        copy_description(model_dir, saved)
        export_saved_model(model_dir, saved / "saved_model")
        files = (saved / "saved_model").rglob("*")
        report(f"{saved}: {sum(file.stat().st_size for file in files if file.is_file()):,} bytes")
        digest = folder_digest(saved)
        report(f'{saved}: detect.model_sha256 = "{digest}"')
        formats["savedmodel"] = DetectorConfig(saved, "savedmodel", model_sha256=digest)
    if data_dir is not None:
        measure(formats, data_dir, split, report=report)


def measure(
    formats: Mapping[str, DetectorConfig], data_dir: Path, split: str, *, report: Report = print
) -> dict[str, dict[str, float]]:
    """The accuracy of each format on a split, and its difference to the first format.

    Returns:
        By format and label: AP50 of faces and hands, F1 of the other labels.
    """
    truth = read_truth(data_dir, split)
    accuracy: dict[str, dict[str, float]] = {}
    for name, config in formats.items():
        detector = open_detector(config)
        labels = evaluate(truth, run_detector(detector, truth, clock=time.perf_counter)).report["labels"]
        detector.close()
        accuracy[name] = {
            label: float(entry["ap50" if label in ("face", "hand") else "f1"] or 0.0)
            for label, entry in labels.items()
        }
        first = next(iter(accuracy.values()))
        parts = [
            f"{label} {value:.3f} ({value - first[label]:+.3f})" for label, value in accuracy[name].items()
        ]
        worst = min(value - first[label] for label, value in accuracy[name].items())
        report(f"{name}: {'  '.join(parts)}  worst {worst:+.3f}")
    return accuracy
