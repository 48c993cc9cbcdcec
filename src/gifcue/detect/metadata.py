"""`metadata.json` of a model: files, sizes, calibration and thresholds."""

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
from gifcue.detect.labels import parse_label_map
from gifcue.detect.relation import HandRelation, parse_relation
from gifcue.detect.trust import (
    MAX_DESCRIPTION_BYTES,
    MAX_WEIGHTS_BYTES,
    check_litert,
    description_digest,
    read_at_most,
)
from gifcue.errors import ModelError

METADATA = "metadata.json"
LABEL_MAP = "label_map.pbtxt"
FORMAT = 1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns the logits of a crop network into probabilities.

    A crop network has two classifiers: one sees the landmarks only, the other the appearance of the crop. The
    probabilities are softmax(landmark_scale * landmark logits + appearance_scale * appearance logits + bias).

    Attributes:
        landmark_scale: inverse temperature of the landmark logits.
        appearance_scale: inverse temperature of the appearance logits.
        bias: added to the logit of each class.
    """

    landmark_scale: float
    appearance_scale: float
    bias: tuple[float, ...]

    def probabilities(self, landmark_logits: Floats, appearance_logits: Floats) -> Floats:
        """Probabilities [N, classes], 0..1, from logits [N, classes]. Class 0 means that no label applies."""
        logits = (
            self.landmark_scale * landmark_logits
            + self.appearance_scale * appearance_logits
            + np.array(self.bias, np.float32)
        )
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Rescoring:
    """The score of a region from the detector network and the crop network.

    The score is sigmoid(found * logit of the detector's score + present * presence logit of the crop network + bias).
    """

    found: float
    present: float
    bias: float

    def score(self, detector_score: float, presence_logit: float) -> float:
        """The score of a region, 0..1; `detector_score` is 0..1."""
        clipped = min(max(detector_score, 1e-4), 1 - 1e-4)
        logit = (
            self.found * float(np.log(clipped / (1 - clipped))) + self.present * presence_logit + self.bias
        )
        return float(1 / (1 + np.exp(-logit)))


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a region's box is refined by its landmarks, see `processing.refine`.

    Attributes:
        weight: weight of the landmarks, 0..1; 0 keeps the detector's box.
        scale: factor by which the extent of the landmarks is enlarged.
    """

    weight: float
    scale: float


@dataclass(frozen=True, slots=True)
class CropStage:
    """The second stage for one kind of region: a network that sees a crop around the region.

    Attributes:
        size: side of a crop in pixels.
        margin: side of the square that is cropped, in units of the box's longer side.
        labels: labels that a region of this kind can show.
        calibration: turns logits into probabilities.
        rescoring: the score of a region.
        refinement: the box of a region.
        smallest_px: regions whose longer side is shorter than this, in frame pixels, show no label
            (`processing.size_confidence`).
        relation: what the hands at a face say of its labels; None for hands, and for models without it.
    """

    size: int
    margin: float
    labels: tuple[str, ...]
    calibration: Calibration
    rescoring: Rescoring
    refinement: Refinement
    smallest_px: float
    relation: HandRelation | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """A LiteRT file of a network.

    Attributes:
        path: where it lies.
        sha256: its digest by the metadata.
        precision: `float` or `int8`.
    """

    path: Path
    sha256: str
    precision: str

    def read(self) -> bytes:
        """The contents, compared with the digest. Raises ModelError where they are missing or differ."""
        try:
            content = read_at_most(self.path, MAX_WEIGHTS_BYTES)
        except FileNotFoundError as error:
            # An installed package holds the int8 files only, because they are what is served.
            hint = (
                'precision = "float" needs the float files of models/ in a checkout of gifcue: set model_dir to it'
                if self.precision == "float"
                else "export the model again"
            )
            raise ModelError(f"{self.path}: expected weights, got no such file; {hint}") from error
        except OSError as error:
            raise ModelError(f"{self.path}: expected weights, got {error}") from error
        actual = hashlib.sha256(content).hexdigest()
        if actual != self.sha256:
            raise ModelError(f"{self.path}: expected sha256 {self.sha256}, got {actual}")
        return content


@dataclass(frozen=True, slots=True)
class Metadata:
    """The contents of the file.

    Attributes:
        info: description of the model.
        files: LiteRT file of each network: detector, face, hand. Its contents are not checked before it is read.
        stages: crop stage of each kind: face, hand.
        score_floor: detector score, 0..1, at or below which a region is ignored.
        nms_iou: intersection over union, 0..1, above which the weaker of two regions is suppressed.
        longest_px: frames whose longer side is longer than this are scaled down to it.
    """

    info: ServedModel
    files: Mapping[str, Weights]
    stages: Mapping[str, CropStage]
    score_floor: float
    nms_iou: float
    longest_px: int


def read_metadata(
    model_dir: Path, backend: str, precision: str = "float", *, sha256: str | None = None
) -> Metadata:
    """Checks the digest of a model's metadata and label map, then reads them. Weights are checked by `Weights.read`.

    Args:
        model_dir: the model's folder.
        backend: the backend that is described.
        precision: `int8` selects the quantised files, for networks that have one.
        sha256: the digest that is expected, or `UNCHECKED`; None: that of the shipped model.

    Raises:
        ModelError: a file is missing or damaged, the digest differs, or a label is not in the label map.
    """
    path = model_dir / METADATA
    contents = {name: _read_description(model_dir / name) for name in (METADATA, LABEL_MAP)}
    digest = description_digest(contents)
    check_litert(model_dir, digest, sha256)
    try:
        raw: dict[str, Any] = json.loads(contents[METADATA])
        if raw.get("format") != FORMAT:
            raise ModelError(f"{path}: expected format {FORMAT}, got {raw.get('format')!r}")
        labels = parse_label_map(contents[LABEL_MAP].decode("utf-8"), str(model_dir / LABEL_MAP))
        return _from_json(raw, model_dir, backend, precision, labels.names, digest)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected metadata of format {FORMAT}, got {error!r}") from error


def _read_description(path: Path) -> bytes:
    try:
        return read_at_most(path, MAX_DESCRIPTION_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: expected a file of the model, got {error}") from error


def _from_json(
    raw: dict[str, Any], model_dir: Path, backend: str, precision: str, labels: tuple[str, ...], digest: str
) -> Metadata:
    files: dict[str, Weights] = {}
    for network, entry in raw["files"].items():
        if precision == "int8":
            entry = entry.get("int8", entry)
        name = entry["path"]
        if Path(name).name != name:
            raise ValueError(f"expected the name of a file in the folder, got {name!r}")
        files[network] = Weights(model_dir / name, entry["sha256"], precision)
    stages = {kind: _stage(stage, raw) for kind, stage in raw["stages"].items()}
    for kind, stage in stages.items():
        unknown = {kind, *stage.labels} - set(labels)
        if unknown:
            raise ModelError(
                f"{model_dir / LABEL_MAP}: expected {', '.join(sorted(unknown))}, got {', '.join(labels)}"
            )
    detector = raw["detector"]
    info = ServedModel(
        name=raw["name"],
        version=raw["version"],
        backend=backend,
        labels=labels,
        thresholds={label: float(raw["thresholds"][label]) for label in labels},
        input_width=int(detector["width"]),
        input_height=int(detector["height"]),
        attributes={kind: stage.labels for kind, stage in stages.items()},
        sha256=digest,
    )
    return Metadata(
        info=info,
        files=files,
        stages=stages,
        score_floor=float(detector["score_floor"]),
        nms_iou=float(detector["nms_iou"]),
        longest_px=int(detector["longest_px"]),
    )


def _stage(raw: dict[str, Any], model: dict[str, Any]) -> CropStage:
    """The crop stage of `raw`, a part of the metadata `model`."""
    calibration = raw["calibration"]
    labels, smallest_px = tuple(raw["labels"]), float(raw["smallest_px"])
    relation = None
    if "relation" in raw:
        landmarks = len(model["networks"]["face"]["points"])
        relation = parse_relation(raw["relation"], labels, landmarks, smallest_px)
    return CropStage(
        size=int(raw["size"]),
        margin=float(raw["margin"]),
        labels=labels,
        calibration=Calibration(
            # The keys of the file name the two classifiers by what they see.
            landmark_scale=float(calibration["shape"]),
            appearance_scale=float(calibration["sight"]),
            bias=tuple(float(value) for value in calibration["bias"]),
        ),
        rescoring=Rescoring(**{key: float(value) for key, value in raw["rescoring"].items()}),
        refinement=Refinement(**{key: float(value) for key, value in raw["refinement"].items()}),
        smallest_px=smallest_px,
        relation=relation,
    )
