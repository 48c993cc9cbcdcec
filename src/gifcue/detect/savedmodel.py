"""A TensorFlow SavedModel with the Object Detection signature: gifcue's own, or anybody's.

Input `input_tensor` uint8 [N, H, W, 3]; outputs `detection_boxes` [N, M, 4] (ymin, xmin, ymax, xmax in 0..1),
`detection_scores` [N, M], `detection_classes` [N, M] (1-based, as in the label map), `num_detections` [N].
gifcue's own adds landmarks and each detection's region, so that nothing has to be regrouped by overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig, Frame, ModelInfo
from gifcue.detect.labels import read_label_map
from gifcue.detect.metadata import LABEL_MAP, METADATA, read_metadata
from gifcue.detect.regions import DEFAULT_THRESHOLD, KINDS, Box, Detection, Region, group
from gifcue.errors import ConfigError, ModelError

# Batches are padded up to one of these, so that nothing is traced while serving: retracing never frees
# memory.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
SAVED_MODEL = "saved_model"
# Frames are brought to this size, in pixels: a graph of one shape serves every participant.
FRAME_WIDTH, FRAME_HEIGHT = 640, 360
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
        self._info = _info(config.model_dir, folder)
        self._labels = read_label_map(_label_map(config.model_dir, folder)).by_id
        height, width = self._serve.structured_input_signature[1]["input_tensor"].shape[1:3]
        self._size = (width or FRAME_WIDTH, height or FRAME_HEIGHT)

    @property
    def info(self) -> ModelInfo:
        return self._info

    def warm(self) -> None:
        for count in BATCH_SIZES:
            self._run(np.zeros((count, self._size[1], self._size[0], 3), np.uint8))

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        answers: list[list[Region]] = []
        for start in range(0, len(frames), BATCH_SIZES[-1]):
            part = frames[start : start + BATCH_SIZES[-1]]
            count = next(size for size in BATCH_SIZES if size >= len(part))
            batch = np.zeros((count, self._size[1], self._size[0], 3), np.uint8)
            fits = [self._place(frame, batch[row]) for row, frame in enumerate(part)]
            outputs = self._run(batch)
            answers.extend(self._regions(outputs, row, fit) for row, fit in enumerate(fits))
        return answers

    def close(self) -> None:
        self._model = self._serve = None

    def _run(self, batch: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        return {name: value.numpy() for name, value in self._serve(input_tensor=self._tensor(batch)).items()}

    def _place(self, frame: Frame, room: npt.NDArray[np.uint8]) -> tuple[float, float]:
        """Lays a frame into the graph's, top left; returns the shares of it that the frame covers (x, y)."""
        height, width = frame.shape[:2]
        scale = min(self._size[0] / width, self._size[1] / height, 1.0)
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
            height, width = frame.shape[:2]
        room[:height, :width] = frame
        return width / self._size[0], height / self._size[1]

    def _regions(
        self, outputs: dict[str, npt.NDArray[Any]], row: int, fit: tuple[float, float]
    ) -> list[Region]:
        count = int(outputs["num_detections"][row])
        boxes = outputs["detection_boxes"][row, :count] / np.array(
            [fit[1], fit[0], fit[1], fit[0]], np.float32
        )
        boxes = np.clip(boxes, 0.0, 1.0)
        detections = [
            Detection(
                self._labels.get(int(number), f"label {int(number)}"), float(score), Box(*map(float, box))
            )
            for number, score, box in zip(
                outputs["detection_classes"][row, :count],
                outputs["detection_scores"][row, :count],
                boxes,
                strict=True,
            )
        ]
        if "detection_regions" not in outputs:
            return group(detections)
        return _own_regions(detections, outputs, row, fit)


def _own_regions(
    detections: Sequence[Detection], outputs: dict[str, npt.NDArray[Any]], row: int, fit: tuple[float, float]
) -> list[Region]:
    """`detection_regions` [N, M] numbers the face or hand of each detection; `KIND_landmarks` are in that
    order.
    """
    homes: dict[int, Detection] = {}
    shown: dict[int, dict[str, float]] = {}
    for number, detection in zip(outputs["detection_regions"][row].tolist(), detections, strict=False):
        if detection.label in KINDS:
            homes[number] = detection
        else:
            shown.setdefault(number, {})[detection.label] = detection.score
    regions = []
    for number, home in homes.items():
        kind = "face" if home.label == "face" else "hand"
        points = outputs[f"{kind}_landmarks"][
            row, number - (0 if kind == "face" else outputs["face_landmarks"].shape[1])
        ]
        scale = np.array([fit[0], fit[1], fit[0]], np.float32)[: points.shape[1]]
        landmarks = np.asarray(points / scale, np.float32)
        regions.append(
            Region(
                "face" if kind == "face" else "hand", home.box, home.score, shown.get(number, {}), landmarks
            )
        )
    return sorted(regions, key=lambda region: -region.score)


def _label_map(model_dir: Path, folder: Path) -> Path:
    for path in (model_dir / LABEL_MAP, folder / LABEL_MAP, folder / "assets" / LABEL_MAP):
        if path.exists():
            return path
    return model_dir / LABEL_MAP


def _info(model_dir: Path, folder: Path) -> ModelInfo:
    """From the metadata where the model is gifcue's own; else what a stranger's model can tell."""
    if (model_dir / METADATA).exists():
        return read_metadata(model_dir, "savedmodel").info
    labels = read_label_map(_label_map(model_dir, folder)).names
    thresholds = dict.fromkeys(labels, DEFAULT_THRESHOLD)
    return ModelInfo(folder.name, "unknown", "savedmodel", labels, thresholds, FRAME_WIDTH, FRAME_HEIGHT)
