"""A TensorFlow SavedModel with the Object Detection signature: gifcue's own, or anybody's.

Input `input_tensor` uint8 [N, H, W, 3]; outputs `detection_boxes` [N, M, 4] (ymin, xmin, ymax, xmax in 0..1),
`detection_scores` [N, M], `detection_classes` [N, M] (1-based, as in the label map), `num_detections` [N].
gifcue's own adds landmarks and each detection's region, so that nothing has to be regrouped by overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import read_head, taught, with_heads
from gifcue.detect.labels import read_label_map
from gifcue.detect.metadata import LABEL_MAP, METADATA, read_metadata
from gifcue.detect.processing import clarity, shrink
from gifcue.detect.regions import DEFAULT_THRESHOLD, KINDS, Box, Detection, Kind, Region, group
from gifcue.errors import ConfigError, ModelError

# Batches are padded up to one of these, so that nothing is traced while serving: retracing never frees
# memory.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
SAVED_MODEL = "saved_model"
# The size that decode workers hand over, in pixels, and what a stranger's model is spared.
WARM_WIDTH, WARM_HEIGHT = 640, 360
LONGEST_PX = 1280
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")


class SavedModelDetector:
    """Batches across participants. `model_dir` is a SavedModel, or holds one as `saved_model`."""

    def __init__(self, config: DetectorConfig) -> None:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ConfigError(
                "backend: expected tensorflow to be installed for savedmodel, got no such module"
            ) from error
        path = config.model_dir / SAVED_MODEL
        folder = path if path.is_dir() else config.model_dir
        try:
            self._model = tf.saved_model.load(str(folder))
            self._serve = self._model.signatures["serving_default"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: expected a SavedModel that serves, got {error}") from error
        missing = [name for name in OUTPUTS if name not in self._serve.structured_outputs]
        if missing:
            raise ModelError(
                f"{folder}: expected outputs {', '.join(OUTPUTS)}, none named {', '.join(missing)}"
            )
        self._tensor = tf.constant
        self._heads = [read_head(path) for path in config.heads]
        self._info = with_heads(_info(config.model_dir, folder), self._heads)
        self._labels = read_label_map(_label_map(config.model_dir, folder)).by_id
        own = (config.model_dir / METADATA).exists()
        metadata = read_metadata(config.model_dir, "savedmodel") if own else None
        self._longest_px = metadata.longest_px if metadata else LONGEST_PX
        self._smallest_px = metadata.stages["hand"].smallest_px if metadata else 0.0

    @property
    def info(self) -> ServedModel:
        return self._info

    def warm(self) -> None:
        for count in BATCH_SIZES:
            self._run(np.zeros((count, WARM_HEIGHT, WARM_WIDTH, 3), np.uint8))

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Frames of one size share a batch."""
        answers: list[list[Region]] = [[] for _ in frames]
        small = [shrink(frame, self._longest_px) for frame in frames]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for place, frame in enumerate(small):
            by_size.setdefault(frame.shape, []).append(place)
        for shape, places in by_size.items():
            for start in range(0, len(places), BATCH_SIZES[-1]):
                part = places[start : start + BATCH_SIZES[-1]]
                count = next(size for size in BATCH_SIZES if size >= len(part))
                batch = np.zeros((count, *shape), np.uint8)
                for row, place in enumerate(part):
                    batch[row] = small[place]
                outputs = self._run(batch)
                for row, place in enumerate(part):
                    answers[place] = self._regions(outputs, row, shape[1], shape[0])
        return answers

    def close(self) -> None:
        self._model = self._serve = None

    def _run(self, batch: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        return {name: value.numpy() for name, value in self._serve(input_tensor=self._tensor(batch)).items()}

    def _regions(
        self, outputs: dict[str, npt.NDArray[Any]], row: int, width: int, height: int
    ) -> list[Region]:
        count = int(outputs["num_detections"][row])
        boxes = np.clip(outputs["detection_boxes"][row, :count], 0.0, 1.0)
        names = [self._labels.get(int(number), "") for number in outputs["detection_classes"][row, :count]]
        scores = outputs["detection_scores"][row, :count]
        detections = [
            Detection(name, float(score), Box(*(float(side) for side in box)))
            for name, score, box in zip(names, scores, boxes, strict=True)
        ]
        if "detection_regions" not in outputs:
            return group([detection for detection in detections if detection.label])
        regions = _own_regions(detections, outputs, row)
        if not self._heads:
            return regions
        return [self._taught(region, width, height) for region in regions]

    def _taught(self, region: Region, width: int, height: int) -> Region:
        """The region with what the heads say of it, as far as it is large enough to be believed."""
        if region.kind != "hand" or region.landmarks is None:
            return region
        box = region.box
        corners = np.array(
            [box.xmin * width, box.ymin * height, box.xmax * width, box.ymax * height], np.float32
        )
        believed = clarity(corners, self._smallest_px)
        shown = taught(self._heads, region.landmarks, width / height)
        return replace(
            region,
            attributes={**region.attributes, **{label: chance * believed for label, chance in shown.items()}},
        )


def _own_regions(
    detections: Sequence[Detection], outputs: dict[str, npt.NDArray[Any]], row: int
) -> list[Region]:
    """`detection_regions` [N, M] numbers the face or hand of each detection, faces first, as landmarks
    are.
    """
    homes: dict[int, Detection] = {}
    shown: dict[int, dict[str, float]] = {}
    numbers = outputs["detection_regions"][row].tolist()
    for number, detection in zip(numbers, detections, strict=False):
        if detection.label in KINDS:
            homes[number] = detection
        else:
            shown.setdefault(number, {})[detection.label] = detection.score
    faces = outputs["face_landmarks"].shape[1]
    regions = []
    for number, home in homes.items():
        kind: Kind = "face" if home.label == "face" else "hand"
        points = outputs[f"{kind}_landmarks"][row, number - (0 if kind == "face" else faces)]
        landmarks = np.asarray(points, np.float32)
        regions.append(Region(kind, home.box, home.score, shown.get(number, {}), landmarks))
    return sorted(regions, key=lambda region: -region.score)


def _label_map(model_dir: Path, folder: Path) -> Path:
    for path in (model_dir / LABEL_MAP, folder / LABEL_MAP, folder / "assets" / LABEL_MAP):
        if path.exists():
            return path
    return model_dir / LABEL_MAP


def _info(model_dir: Path, folder: Path) -> ServedModel:
    """From the metadata where the model is gifcue's own; else what a stranger's model can tell."""
    if (model_dir / METADATA).exists():
        return read_metadata(model_dir, "savedmodel").info
    labels = read_label_map(_label_map(model_dir, folder)).names
    thresholds = dict.fromkeys(labels, DEFAULT_THRESHOLD)
    return ServedModel(folder.name, "unknown", "savedmodel", labels, thresholds, WARM_WIDTH, WARM_HEIGHT)
