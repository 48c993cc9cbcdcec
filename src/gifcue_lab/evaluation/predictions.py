"""The detections of each picture, from a run or from a file.

The file format, with which any other detector can be measured:

    {"format": "gifcue-detections/1",
     "detector": "its name",
     "thresholds": {"face": 0.5, "smile": 0.6},          optional; 0.5 where a label is not named
     "attributes": {"face": ["smile"], "hand": []},      optional; the labels of each kind, by default gifcue's
     "pictures": {
       "p002/0e669e13bf01.jpg": {                         the path below the evaluated directory
         "ms": 4.1,                                       optional, the time
         "detections": [
           {"label": "face", "score": 0.98, "box": [ymin, xmin, ymax, xmax],   shares of the picture, 0..1
            "landmarks": [[x, y], ...]}]}}}               optional, shares too; on faces and hands

All detections should be given, because average precision also needs those below the threshold. Every evaluated picture
must have an entry, with an empty list if nothing was detected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gifcue.detect.regions import DEFAULT_THRESHOLD, KINDS, Detection, Region, group
from gifcue.errors import ConfigError
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.regions import ATTRIBUTES, labels_of

FORMAT = "gifcue-detections/1"


@dataclass(frozen=True)
class Prediction:
    """The detections of one picture.

    Attributes:
        detections: also those below their thresholds.
        regions: the same as regions, for their landmarks.
        elapsed_ms: the time of the detector; None if it was not measured.
    """

    detections: tuple[Detection, ...]
    regions: tuple[Region, ...] = ()
    elapsed_ms: float | None = None


@dataclass(frozen=True)
class Predictions:
    """The detections of a set of pictures by name.

    Attributes:
        detector: its name, version and backend.
        thresholds: by label, 0..1.
        attributes: by kind, the labels that the detector tells apart. These are reported.
    """

    detector: Mapping[str, str]
    thresholds: Mapping[str, float]
    pictures: Mapping[str, Prediction] = field(default_factory=dict)
    attributes: Mapping[str, Sequence[str]] = field(default_factory=lambda: ATTRIBUTES)


def flatten_all(regions: Iterable[Region], thresholds: Mapping[str, float]) -> tuple[Detection, ...]:
    """Every region and every attribute as a detection, whatever the attribute's score.

    As in serving, a region below its own threshold has no attributes. So the precision-recall curve of an attribute
    contains the point at which it is served.
    """
    detections: list[Detection] = []
    for region in regions:
        detections.append(Detection(region.kind, region.score, region.box))
        if region.score >= thresholds.get(region.kind, DEFAULT_THRESHOLD):
            detections.extend(
                Detection(label, score, region.box) for label, score in region.attributes.items()
            )
    return tuple(detections)


def check_thresholds(thresholds: Mapping[str, float], attributes: Mapping[str, Sequence[str]]) -> None:
    """Refuses thresholds of labels that a detector with these attributes does not have.

    Raises:
        ConfigError: there is one, or a threshold is not in 0..1.
    """
    labels = labels_of(attributes)
    if unknown := [label for label in thresholds if label not in labels]:
        raise ConfigError(f"--threshold: expected labels among {', '.join(labels)}, got {', '.join(unknown)}")
    if wrong := [f"{label}={value:g}" for label, value in thresholds.items() if not 0.0 <= value <= 1.0]:
        raise ConfigError(f"--threshold: expected values of 0..1, got {', '.join(wrong)}")


def read_predictions(
    path: Path, names: Sequence[str], thresholds: Mapping[str, float] | None = None
) -> Predictions:
    """Reads a file of detections for these pictures; `thresholds` overrides thresholds of the file.

    Raises `DatasetError` if it is missing or of another format, or lacks one of the pictures; `ConfigError` for a
    threshold of a label that it does not have.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a JSON file of detections, got {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        got = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise DatasetError(f'{path}: expected "format": "{FORMAT}", got {got!r}')
    pictures = document.get("pictures")
    if not isinstance(pictures, dict):
        raise DatasetError(f'{path}: expected an object under "pictures", got {type(pictures).__name__}')
    absent = [name for name in names if name not in pictures]
    if absent:
        missing = f"{len(absent)} are absent: {absent[0]!r} …"
        raise DatasetError(f"{path}: expected all {len(names)} pictures, {missing}")
    try:
        own = {str(label): float(value) for label, value in document.get("thresholds", {}).items()}
        attributes = _attributes(document.get("attributes", ATTRIBUTES))
        read = {name: _prediction(pictures[name]) for name in names}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DatasetError(f"{path}: expected the form of {FORMAT}, got {got}") from error
    check_thresholds(thresholds or {}, attributes)
    name = str(document.get("detector", path.stem))
    return Predictions({"name": name, "backend": "json"}, {**own, **(thresholds or {})}, read, attributes)


def _attributes(item: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    if set(item) - set(KINDS):
        raise ValueError(f"expected attributes of {' and '.join(KINDS)}, got {', '.join(item)}")
    return {kind: tuple(str(label) for label in item.get(kind, ())) for kind in KINDS}


def _prediction(item: Mapping[str, Any]) -> Prediction:
    detections, landmarks = [], []
    for one in item["detections"]:
        ymin, xmin, ymax, xmax = (float(edge) for edge in one["box"])
        detection = Detection(str(one["label"]), float(one["score"]), Box(ymin, xmin, ymax, xmax))
        if not 0.0 <= detection.score <= 1.0:
            raise ValueError(f"expected a score of 0..1, got {detection.score}")
        detections.append(detection)
        if detection.label in KINDS:
            points = one.get("landmarks")
            landmarks.append(None if points is None else np.asarray(points, np.float32))
    homes = group(detections)
    regions = tuple(
        Region(home.kind, home.box, home.score, home.attributes, points)
        for home, points in zip(homes, landmarks, strict=True)
    )
    elapsed = item.get("ms")
    return Prediction(tuple(detections), regions, None if elapsed is None else float(elapsed))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes the format of `read_predictions`, with 5 decimals."""
    pictures = {}
    for name, prediction in predictions.pictures.items():
        points = {
            (str(r.kind), r.score, r.box): r.landmarks for r in prediction.regions if r.landmarks is not None
        }
        items = []
        for d in prediction.detections:
            edges = [round(edge, 5) for edge in (d.box.ymin, d.box.xmin, d.box.ymax, d.box.xmax)]
            item: dict[str, Any] = {"label": d.label, "score": round(d.score, 5), "box": edges}
            found = points.get((d.label, d.score, d.box))
            if found is not None:
                item["landmarks"] = [[round(float(x), 5) for x in point] for point in found]
            items.append(item)
        elapsed = {} if prediction.elapsed_ms is None else {"ms": round(prediction.elapsed_ms, 3)}
        pictures[name] = {**elapsed, "detections": items}
    document = {
        "format": FORMAT,
        "detector": predictions.detector.get("name", ""),
        "thresholds": dict(predictions.thresholds),
        "attributes": {kind: list(labels) for kind, labels in predictions.attributes.items()},
        "pictures": pictures,
    }
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
