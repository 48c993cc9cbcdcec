"""The backend for a TensorFlow SavedModel with the signature of the Object Detection API.

Input `input_tensor` uint8 [N, H, W, 3]; outputs `detection_boxes` [N, M, 4] (ymin, xmin, ymax, xmax in 0..1),
`detection_scores` [N, M], `detection_classes` [N, M] (1-based, as in the label map), `num_detections` [N].
A model made by `gifcue-lab export` also has landmarks and the region of each detection. For other models, attributes
are assigned to regions by overlap (`regions.group`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.labels import read_label_map
from gifcue.detect.metadata import LABEL_MAP, METADATA, Metadata, read_metadata
from gifcue.detect.processing import shrink, size_confidence
from gifcue.detect.regions import DEFAULT_THRESHOLD, KINDS, Detection, Kind, Region, group
from gifcue.detect.served_gestures import add_gestures
from gifcue.detect.trust import UNCHECKED, check_saved_model
from gifcue.errors import ConfigError, ModelError
from gifcue.protocol.geometry import Box

# Batches are padded to one of these sizes, so that no shape is traced while serving: the memory of a traced shape is
# never released.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
SAVED_MODEL = "saved_model"
# Size of the frames that decode workers deliver, in pixels.
WARM_WIDTH, WARM_HEIGHT = 640, 360
# Frames for a model without gifcue's metadata are scaled down to this longer side, in pixels.
LONGEST_PX = 1280
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")


class SavedModelDetector:
    """Detects on batches of frames. `model_dir` is a SavedModel, or contains one as `saved_model`."""

    def __init__(self, config: DetectorConfig) -> None:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ConfigError(
                "backend: expected tensorflow to be installed for savedmodel, got no such module"
            ) from error
        path = config.model_dir / SAVED_MODEL
        folder = path if path.is_dir() else config.model_dir
        # Before TensorFlow sees the folder: a graph can read and write files while it is loaded.
        digest = check_saved_model(config.model_dir, config.model_sha256)
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
        self._classifiers: tuple[GestureClassifier, ...] = ()
        self._labels = read_label_map(_label_map(config.model_dir, folder)).by_id
        own = (config.model_dir / METADATA).exists()
        metadata = _metadata(config.model_dir) if own else None
        self._longest_px = metadata.longest_px if metadata else LONGEST_PX
        self._smallest_px = metadata.stages["hand"].smallest_px if metadata else 0.0
        self._relation = metadata.stages["face"].relation if metadata else None
        self._info = replace(_info(config.model_dir, folder, digest), smallest_hand_px=self._smallest_px)

    @property
    def info(self) -> ServedModel:
        return self._info

    def warm(self) -> None:
        for count in BATCH_SIZES:
            self._run(np.zeros((count, WARM_HEIGHT, WARM_WIDTH, 3), np.uint8))

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        self._classifiers = tuple(classifiers)

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """As `Detector.detect`. Frames of one size share a batch."""
        results: list[list[Region]] = [[] for _ in frames]
        small = [shrink(frame, self._longest_px) for frame in frames]
        indices_by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, frame in enumerate(small):
            indices_by_shape.setdefault(frame.shape, []).append(index)
        for shape, indices in indices_by_shape.items():
            for start in range(0, len(indices), BATCH_SIZES[-1]):
                part = indices[start : start + BATCH_SIZES[-1]]
                count = next(size for size in BATCH_SIZES if size >= len(part))
                batch = np.zeros((count, *shape), np.uint8)
                for row, index in enumerate(part):
                    batch[row] = small[index]
                outputs = self._run(batch)
                for row, index in enumerate(part):
                    results[index] = self._regions(outputs, row, shape[1], shape[0])
        return results

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
        if self._relation is not None:
            regions = self._relation.apply(regions, width, height)
        if not self._classifiers:
            return regions
        return [self._with_gestures(region, width, height) for region in regions]

    def _with_gestures(self, region: Region, width: int, height: int) -> Region:
        """The region with the probabilities of the gesture classifiers, multiplied by its size confidence."""
        if region.kind != "hand" or region.landmarks is None:
            return region
        box = region.box
        corners = np.array(
            [box.xmin * width, box.ymin * height, box.xmax * width, box.ymax * height], np.float32
        )
        confidence = size_confidence(corners, self._smallest_px)
        attributes = add_gestures(
            region.attributes, self._classifiers, region.landmarks, width / height, confidence
        )
        return replace(region, attributes=attributes)


def _own_regions(
    detections: Sequence[Detection], outputs: dict[str, npt.NDArray[Any]], row: int
) -> list[Region]:
    """The regions of one row of a batch, best score first.

    `detection_regions` [N, M] gives the number of each detection's region. Faces are numbered before hands, in the
    order of `face_landmarks` [N, faces, P, 2] and `hand_landmarks` [N, hands, 21, 3].
    """
    bases: dict[int, Detection] = {}
    attributes: dict[int, dict[str, float]] = {}
    numbers = outputs["detection_regions"][row].tolist()
    for number, detection in zip(numbers, detections, strict=False):
        if detection.label in KINDS:
            bases[number] = detection
        else:
            attributes.setdefault(number, {})[detection.label] = detection.score
    faces = outputs["face_landmarks"].shape[1]
    regions = []
    for number, base in bases.items():
        kind: Kind = "face" if base.label == "face" else "hand"
        points = outputs[f"{kind}_landmarks"][row, number - (0 if kind == "face" else faces)]
        landmarks = np.asarray(points, np.float32)
        regions.append(Region(kind, base.box, base.score, attributes.get(number, {}), landmarks))
    return sorted(regions, key=lambda region: -region.score)


def _label_map(model_dir: Path, folder: Path) -> Path:
    """The first label map that exists: beside the metadata, in the SavedModel, or in its assets."""
    for path in (model_dir / LABEL_MAP, folder / LABEL_MAP, folder / "assets" / LABEL_MAP):
        if path.exists():
            return path
    return model_dir / LABEL_MAP


def _metadata(model_dir: Path) -> Metadata:
    # It is a part of the folder whose digest has been checked.
    return read_metadata(model_dir, "savedmodel", sha256=UNCHECKED)


def _info(model_dir: Path, folder: Path, digest: str) -> ServedModel:
    """The description from the model's metadata. Without metadata, labels only, at the default threshold."""
    if (model_dir / METADATA).exists():
        return replace(_metadata(model_dir).info, sha256=digest)
    labels = read_label_map(_label_map(model_dir, folder)).names
    thresholds = dict.fromkeys(labels, DEFAULT_THRESHOLD)
    return ServedModel(
        folder.name, "unknown", "savedmodel", labels, thresholds, WARM_WIDTH, WARM_HEIGHT, sha256=digest
    )
