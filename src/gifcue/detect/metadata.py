"""`metadata.json`: what lies beside the weights and says how they are to be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import ServedModel
from gifcue.detect.labels import read_label_map
from gifcue.errors import ModelError

METADATA = "metadata.json"
LABEL_MAP = "label_map.pbtxt"
FORMAT = 1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns the two heads' logits into probabilities: softmax(shape * by_shape + sight * by_sight + bias)."""

    shape: float
    sight: float
    bias: tuple[float, ...]

    def probabilities(self, by_shape: Floats, by_sight: Floats) -> Floats:
        """Logits [N, classes] ► probabilities [N, classes]; class 0 is "none of them"."""
        logits = self.shape * by_shape + self.sight * by_sight + np.array(self.bias, np.float32)
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A region's score from what the detector and the close look say: sigmoid(found * logit + present *
    logit + bias).
    """

    found: float
    present: float
    bias: float

    def score(self, found: float, presence_logit: float) -> float:
        """`found` is the detector's score, 0..1."""
        clipped = min(max(found, 1e-4), 1 - 1e-4)
        logit = (
            self.found * float(np.log(clipped / (1 - clipped))) + self.present * presence_logit + self.bias
        )
        return float(1 / (1 + np.exp(-logit)))


@dataclass(frozen=True, slots=True)
class Refinement:
    """A region's box from the detector's and its landmarks': their mean, the landmarks' extent enlarged by `scale`.

    `weight` is how much the landmarks count, 0..1; 0 leaves the detector's box.
    """

    weight: float
    scale: float


@dataclass(frozen=True, slots=True)
class CropStage:
    """The close look at one kind of region: crops of `size` pixels, `margin` times the box.

    What a region smaller than `smallest_px` (longer side, frame pixels) shows is not told (`processing.clarity`).
    """

    size: int
    margin: float
    labels: tuple[str, ...]
    calibration: Calibration
    rescoring: Rescoring
    refinement: Refinement
    smallest_px: float


@dataclass(frozen=True, slots=True)
class Metadata:
    """The whole file. `stages` are by kind; `files` maps a network's name to its LiteRT file."""

    info: ServedModel
    files: Mapping[str, Path]
    stages: Mapping[str, CropStage]
    score_floor: float
    nms_iou: float
    longest_px: int


def read_metadata(model_dir: Path, backend: str, precision: str = "float") -> Metadata:
    """Reads and checks what lies in `model_dir`; with `precision` int8 its quantised files, where it has them.

    Raises:
        ModelError: a file is missing or damaged, a checksum differs, or a label is not in the label map.
    """
    path = model_dir / METADATA
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected the model's metadata, got {error}") from error
    if raw.get("format") != FORMAT:
        raise ModelError(f"{path}: expected format {FORMAT}, got {raw.get('format')!r}")
    labels = read_label_map(model_dir / LABEL_MAP)
    try:
        return _from_json(raw, model_dir, backend, precision, labels.names)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected metadata of format {FORMAT}, got {error!r}") from error


def _from_json(
    raw: dict[str, Any], model_dir: Path, backend: str, precision: str, labels: tuple[str, ...]
) -> Metadata:
    files: dict[str, Path] = {}
    checksums: dict[str, str] = {}
    for network, entry in raw["files"].items():
        if precision == "int8":
            entry = entry.get("int8", entry)
        files[network] = model_dir / entry["path"]
        checksums[entry["path"]] = entry["sha256"]
        if backend == "litert":
            _check(files[network], entry["sha256"])
    stages = {
        kind: CropStage(
            size=int(stage["size"]),
            margin=float(stage["margin"]),
            labels=tuple(stage["labels"]),
            calibration=Calibration(
                float(stage["calibration"]["shape"]),
                float(stage["calibration"]["sight"]),
                tuple(float(value) for value in stage["calibration"]["bias"]),
            ),
            rescoring=Rescoring(**{key: float(value) for key, value in stage["rescoring"].items()}),
            refinement=Refinement(**{key: float(value) for key, value in stage["refinement"].items()}),
            smallest_px=float(stage["smallest_px"]),
        )
        for kind, stage in raw["stages"].items()
    }
    for kind, stage in stages.items():
        strangers = {kind, *stage.labels} - set(labels)
        if strangers:
            raise ModelError(
                f"{model_dir / LABEL_MAP}: expected {', '.join(sorted(strangers))}, got {', '.join(labels)}"
            )
    info = ServedModel(
        name=raw["name"],
        version=raw["version"],
        backend=backend,
        labels=labels,
        thresholds={label: float(raw["thresholds"][label]) for label in labels},
        input_width=int(raw["detector"]["width"]),
        input_height=int(raw["detector"]["height"]),
        attributes={kind: stage.labels for kind, stage in stages.items()},
        checksums=checksums,
    )
    detector = raw["detector"]
    return Metadata(
        info,
        files,
        stages,
        float(detector["score_floor"]),
        float(detector["nms_iou"]),
        int(detector["longest_px"]),
    )


def _check(path: Path, expected: str) -> None:
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: expected weights, got {error}") from error
    if actual != expected:
        raise ModelError(f"{path}: expected sha256 {expected}, got {actual}")
