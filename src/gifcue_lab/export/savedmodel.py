"""The whole detector as one TensorFlow graph with the signature of the Object Detection API.

The graph takes the same steps as `gifcue.detect.litert`: letterbox, detector, boxes, suppression, crops, crop networks,
calibration. `[N, limit]` below stands for frames and the most regions of a kind that a frame can have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.labels import LabelMap, read_label_map
from gifcue.detect.metadata import LABEL_MAP, CropStage, Metadata, read_metadata
from gifcue.detect.regions import KINDS
from gifcue.detect.trust import UNCHECKED
from gifcue_lab.export import graph_processing
from gifcue_lab.export.litert import served_function
from gifcue_lab.training.shapes import read_shapes
from gifcue_lab.training.weights import load_networks

# TensorFlow has no types.
Tensor = Any
Network = Callable[[Tensor], dict[str, Tensor]]


def export_saved_model(model_dir: Path, out: Path) -> None:
    """Writes a SavedModel of the weights in `model_dir` to `out`, for batches of any size of frames of any size.

    Raises:
        ConfigError: the weights are missing or of another shape.
        ModelError: the metadata is damaged.
    """
    metadata = read_metadata(model_dir, "savedmodel", sha256=UNCHECKED)
    networks, shapes = load_networks(model_dir), read_shapes(model_dir)
    served = {name: served_function(network, shapes[name]) for name, network in networks.items()}
    labels = read_label_map(model_dir / LABEL_MAP)
    config = DetectorConfig(model_dir)
    limits = {"face": config.max_faces, "hand": config.max_hands}

    class Exported(tf.Module):  # type: ignore[misc]
        """Holds no variables: the weights are constants of the graph."""

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="input_tensor")]
        )
        def serve(self, input_tensor: Tensor) -> dict[str, Tensor]:
            return _detect(input_tensor, metadata, served, labels, limits)

    module = Exported()
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.serve})
    (out / LABEL_MAP).write_text((model_dir / LABEL_MAP).read_text(encoding="utf-8"), encoding="utf-8")


class _Regions(NamedTuple):
    """The regions of one kind: boxes [N, limit, 4] (ymin, xmin, ymax, xmax in shares of the frame), whether there is a
    region [N, limit], its score [N, limit], and probabilities of the classes [N, limit, classes].
    """

    boxes: Tensor
    there: Tensor
    score: Tensor
    probabilities: Tensor


def _detect(
    frames: Tensor,
    metadata: Metadata,
    served: Mapping[str, Network],
    labels: LabelMap,
    limits: Mapping[str, int],
) -> dict[str, Tensor]:
    """Frames [N, H, W, 3] uint8 ► the outputs of the Object Detection API, with regions and landmarks."""
    pixels = tf.cast(frames, tf.float32)
    size = graph_processing.frame_size(pixels)
    scene, *placement = graph_processing.letterbox(pixels, metadata)
    maps = served["detector"](scene)
    landmarks: dict[str, Tensor] = {}
    regions: dict[str, _Regions] = {}
    for channel, kind in enumerate(KINDS):
        found, boxes = graph_processing.peaks(
            maps["scores"][..., channel],
            maps["sides"][..., channel * 4 : channel * 4 + 4],
            metadata,
            limits[kind],
        )
        scale, left, top = placement
        boxes = (boxes - tf.stack([left, top, left, top])) / scale
        regions[kind], landmarks[kind] = _analyse(
            pixels, size, found, boxes, metadata, metadata.stages[kind], served[kind]
        )
    outputs = _flat_detections(regions, metadata, labels, limits)
    return {**outputs, "face_landmarks": landmarks["face"], "hand_landmarks": landmarks["hand"]}


def _analyse(
    pixels: Tensor,
    size: tuple[Tensor, Tensor],
    found: Tensor,
    boxes: Tensor,
    metadata: Metadata,
    stage: CropStage,
    network: Network,
) -> tuple[_Regions, Tensor]:
    """The crop stage of one kind, for scores [N, limit] and boxes [N, limit, 4] in frame pixels.

    Returns:
        The regions, and their landmarks [N, limit, points, 2 or 3] in shares of the frame.
    """
    height, width = size
    there = found > 0.0
    # Only boxes that were found are cropped, wherever in the batch they are. Most places are empty.
    places = tf.where(there)
    # Some kernels refuse an empty batch. Where nothing at all was found, the first empty place is cropped.
    places = tf.cond(tf.size(places) > 0, lambda: places, lambda: tf.zeros((1, 2), tf.int64))
    crops, corners = graph_processing.crop(pixels, tf.gather_nd(boxes, places), places[:, 0], stage)
    outputs = graph_processing.scatter({**network(crops), "corners": corners}, places, tf.shape(found))
    probabilities, score = graph_processing.calibrate(outputs, found, stage)
    score = tf.where(there, score, 0.0)
    points, corners = outputs["landmarks"], outputs["corners"]
    landmarks = graph_processing.from_crop(points, corners, width, height)
    boxes = graph_processing.refine(boxes, points, corners, stage)
    there = tf.logical_and(there, graph_processing.kept_by_suppression(boxes, score, metadata))
    probabilities *= graph_processing.size_confidence(boxes, stage)[..., None]
    extent = tf.stack([width, height, width, height])
    shares = tf.gather(tf.clip_by_value(boxes / extent, 0.0, 1.0), [1, 0, 3, 2], axis=2)
    return _Regions(shares, there, score, probabilities), landmarks


def _flat_detections(
    regions: Mapping[str, _Regions], metadata: Metadata, labels: LabelMap, limits: Mapping[str, int]
) -> dict[str, Tensor]:
    """One detection for each region and one for each of its labels, best first; `detection_regions` tells which."""
    boxes_out, scores_out, classes_out, regions_out = [], [], [], []
    first = 0
    for kind in KINDS:
        boxes, there, score, probabilities = regions[kind]
        stage = metadata.stages[kind]
        for name, value in (
            (kind, score),
            *zip(stage.labels, tf.unstack(probabilities[..., 1:], axis=2), strict=True),
        ):
            boxes_out.append(boxes)
            scores_out.append(tf.where(there, value, 0.0))
            classes_out.append(tf.fill(tf.shape(value), float(labels.id_of(name))))
            regions_out.append(tf.zeros_like(value) + tf.range(first, first + limits[kind], dtype=tf.float32))
        first += limits[kind]
    scores = tf.concat(scores_out, 1)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)

    def sort(parts: list[Tensor]) -> Tensor:
        return tf.gather(tf.concat(parts, 1), order, batch_dims=1)

    ordered = sort(scores_out)
    return {
        "detection_boxes": sort(boxes_out),
        "detection_scores": ordered,
        "detection_classes": sort(classes_out),
        "num_detections": tf.reduce_sum(tf.cast(ordered > 0.0, tf.float32), 1),
        "detection_regions": tf.cast(sort(regions_out), tf.int32),
    }
