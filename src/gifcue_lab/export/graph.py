"""The whole detector as one TensorFlow graph with the Object Detection signature: letterbox, boxes,
suppression, crops, close looks, calibration. The same steps as `gifcue.detect.processing`, sample for sample.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.labels import LabelMap, read_label_map
from gifcue.detect.metadata import LABEL_MAP, CropStage, Metadata, read_metadata
from gifcue.detect.processing import LETTERBOX_GREY, STRIDE
from gifcue.detect.regions import KINDS

Tensor = Any


def export_saved_model(model_dir: Path, out: Path) -> None:
    """Writes a SavedModel of the weights in `model_dir` to `out`, for batches of any size of frames of any
    size.

    Raises:
        ConfigError: the weights are missing or of another shape.
        ModelError: the metadata is damaged.
    """
    import tensorflow as tf

    from gifcue_lab.export.artifacts import described, load_networks, served_function

    metadata = read_metadata(model_dir, "savedmodel")
    networks, configs = load_networks(model_dir), described(model_dir)
    served = {name: served_function(network, configs[name]) for name, network in networks.items()}
    labels = read_label_map(model_dir / LABEL_MAP)
    limits = DetectorConfig(model_dir)
    counts = {"face": limits.max_faces, "hand": limits.max_hands}

    class Exported(tf.Module):  # type: ignore[misc]
        """Holds nothing: the weights are constants of the graph."""

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="input_tensor")]
        )
        def serve(self, input_tensor: Tensor) -> dict[str, Tensor]:
            return _serve(input_tensor, metadata, served, labels, counts)

    module = Exported()
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.serve})
    (out / LABEL_MAP).write_text((model_dir / LABEL_MAP).read_text(encoding="utf-8"), encoding="utf-8")


def _serve(
    frames: Tensor, metadata: Metadata, served: dict[str, Any], labels: LabelMap, counts: dict[str, int]
) -> dict[str, Tensor]:
    import tensorflow as tf

    pixels = tf.cast(frames, tf.float32)
    height, width = _size(pixels)
    scene, scale, left, top = _letterbox(pixels, metadata)
    maps = served["detector"](scene)
    landmarks: dict[str, Tensor] = {}
    seen: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]] = {}
    for channel, kind in enumerate(KINDS):
        stage = metadata.stages[kind]
        found, boxes = _peaks(
            maps["scores"][..., channel],
            maps["sides"][..., channel * 4 : channel * 4 + 4],
            metadata,
            counts[kind],
        )
        boxes = (boxes - tf.stack([left, top, left, top])) / scale
        there = found > 0.0
        # Only what was found gets a close look, wherever in the batch it is; most places are empty.
        places = tf.where(there)
        # Some kernels refuse an empty batch: where there is nothing at all, the first empty place gets one.
        places = tf.cond(tf.size(places) > 0, lambda: places, lambda: tf.zeros((1, 2), tf.int64))  # noqa: B023
        crops, corners = _crops(pixels, tf.gather_nd(boxes, places), places[:, 0], stage)
        looks = _spread({**served[kind](crops), "corners": corners}, places, tf.shape(found))
        chances, score = _judged(looks, found, stage)
        score = tf.where(there, score, 0.0)
        points, corners = looks["landmarks"], looks["corners"]
        landmarks[kind] = _placed(points, corners, width, height)
        boxes = _refined(boxes, points, corners, stage)
        there = tf.logical_and(there, _kept(boxes, score, metadata))
        chances *= _clarity(boxes, stage)[..., None]
        extent = tf.stack([width, height, width, height])
        shares = tf.gather(tf.clip_by_value(boxes / extent, 0.0, 1.0), [1, 0, 3, 2], axis=2)
        seen[kind] = (shares, there, score, chances)
    boxes_out, scores_out, classes_out, regions_out = [], [], [], []
    first = 0
    for kind in KINDS:
        shares, there, score, chances = seen[kind]
        stage = metadata.stages[kind]
        for name, value in (
            (kind, score),
            *zip(stage.labels, tf.unstack(chances[..., 1:], axis=2), strict=True),
        ):
            boxes_out.append(shares)
            scores_out.append(tf.where(there, value, 0.0))
            classes_out.append(tf.fill(tf.shape(value), float(labels.id_of(name))))
            regions_out.append(tf.zeros_like(value) + tf.range(first, first + counts[kind], dtype=tf.float32))
        first += counts[kind]
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
        "face_landmarks": landmarks["face"],
        "hand_landmarks": landmarks["hand"],
    }


def _size(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The frames' height and width, as floats."""
    import tensorflow as tf

    shape = tf.cast(tf.shape(pixels), tf.float32)
    return shape[1], shape[2]


def _letterbox(pixels: Tensor, metadata: Metadata) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `processing.Letterbox`: the frames sampled at the input's pixel centres, grey around them."""
    import tensorflow as tf

    height, width = _size(pixels)
    wide, high = metadata.info.input_width, metadata.info.input_height
    scale = tf.minimum(wide / width, high / height)
    left, top = (wide - width * scale) / 2, (high - height * scale) / 2
    count = tf.shape(pixels)[0]
    # These corners fall on the centres of the input's pixels.
    box = [
        (0.5 - top) / scale - 0.5,
        (0.5 - left) / scale - 0.5,
        (high - 0.5 - top) / scale - 0.5,
        (wide - 0.5 - left) / scale - 0.5,
    ]
    boxes = tf.tile(tf.stack(box)[None], (count, 1))
    scene = _sampled(pixels, boxes, tf.range(count), (high, wide), float(LETTERBOX_GREY))
    return scene, scale, left, top


def _sampled(pixels: Tensor, boxes: Tensor, owners: Tensor, size: tuple[int, int], border: float) -> Tensor:
    """As `processing.warp`: `boxes` [M, 4] (y, x of the first and the last sample, in pixel indices) ► [M, *size, 3].

    A ring of the border's level lies around the frames, since crop_and_resize itself gives up right at the last pixel's
    centre, where OpenCV still blends with the border.
    """
    import tensorflow as tf

    ringed = tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=border)
    height, width = _size(ringed)
    shares = (boxes + 1.0) / (tf.stack([height, width, height, width]) - 1.0)
    return tf.round(tf.image.crop_and_resize(ringed, shares, owners, size, extrapolation_value=border))


def _peaks(scores: Tensor, sides: Tensor, metadata: Metadata, limit: int) -> tuple[Tensor, Tensor]:
    """As `processing.peaks` and `processing.suppress`: scores [N, limit], 0 where there are fewer, and boxes in input
    pixels.
    """
    import tensorflow as tf

    high, wide = scores.shape[1], scores.shape[2]
    y, x = np.meshgrid(np.arange(high) + 0.5, np.arange(wide) + 0.5, indexing="ij")
    middle = tf.constant(np.stack([x, y], -1), tf.float32)
    boxes = tf.concat([middle - sides[..., :2], middle + sides[..., 2:]], -1) * float(STRIDE)
    boxes = tf.reshape(boxes, (-1, high * wide, 4))
    flat = tf.reshape(scores, (-1, high * wide))
    best, where = tf.math.top_k(tf.where(flat > metadata.score_floor, flat, 0.0), 4 * limit)
    boxes = tf.gather(boxes, where, batch_dims=1)

    def one(item: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        kept, count = tf.image.non_max_suppression_padded(
            item[1], item[0], limit, metadata.nms_iou, metadata.score_floor, pad_to_max_output_size=True
        )
        valid = tf.range(limit) < count
        return tf.where(valid, tf.gather(item[0], kept), 0.0), tf.gather(item[1], kept)

    kept, placed = tf.map_fn(one, (best, boxes), fn_output_signature=(tf.float32, tf.float32))
    return kept, placed


def _spread(packed: dict[str, Tensor], places: Tensor, shape: Tensor) -> dict[str, Tensor]:
    """Values [M, ...] of `places` [M, 2] in arrays [*shape, ...], zeros elsewhere."""
    import tensorflow as tf

    shape = tf.cast(shape, places.dtype)
    return {
        name: tf.ensure_shape(
            tf.scatter_nd(
                places, value, tf.concat([shape, tf.constant(value.shape[1:].as_list(), places.dtype)], 0)
            ),
            (None, None, *value.shape[1:]),
        )
        for name, value in packed.items()
    }


def _crops(pixels: Tensor, boxes: Tensor, owners: Tensor, stage: CropStage) -> tuple[Tensor, Tensor]:
    """As `processing.crop`, of boxes [M, 4] of the frames `owners` [M]: crops [M, S, S, 3], and their squares [M, 3]
    (left, top, side).
    """
    import tensorflow as tf

    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = tf.maximum(2.0, tf.reduce_max(boxes[..., 2:] - boxes[..., :2], -1) * stage.margin)
    corner = center - side[..., None] / 2
    half = 0.5 * side / stage.size
    far = corner + side[..., None]
    wanted = tf.stack(
        [
            corner[..., 1] + half - 0.5,
            corner[..., 0] + half - 0.5,
            far[..., 1] - half - 0.5,
            far[..., 0] - half - 0.5,
        ],
        -1,
    )
    owners = tf.cast(owners, tf.int32)
    crops = _sampled(pixels, wanted, owners, (stage.size, stage.size), 0.0)
    return crops, tf.concat([corner, side[..., None]], -1)


def _judged(looks: dict[str, Tensor], found: Tensor, stage: CropStage) -> tuple[Tensor, Tensor]:
    """As `Calibration.probabilities` [N, limit, classes] and `Rescoring.score` [N, limit]."""
    import tensorflow as tf

    calibration, rescoring = stage.calibration, stage.rescoring
    logits = calibration.landmark_scale * looks["by_shape"] + calibration.appearance_scale * looks["by_sight"]
    chances = tf.nn.softmax(logits + tf.constant(calibration.bias, tf.float32))
    clipped = tf.clip_by_value(found, 1e-4, 1 - 1e-4)
    presence = looks["presence"][..., 0]
    logit = (
        rescoring.found * tf.math.log(clipped / (1 - clipped)) + rescoring.present * presence + rescoring.bias
    )
    return chances, tf.sigmoid(logit)


def _refined(boxes: Tensor, points: Tensor, corners: Tensor, stage: CropStage) -> Tensor:
    """As `processing.refine`."""
    import tensorflow as tf

    placed = points[..., :2] * corners[..., None, 2:] + corners[..., None, :2]
    low, high = tf.reduce_min(placed, 2), tf.reduce_max(placed, 2)
    middle, reach = (low + high) / 2, (high - low) / 2 * stage.refinement.scale
    extent = tf.concat([middle - reach, middle + reach], -1)
    return (1 - stage.refinement.weight) * boxes + stage.refinement.weight * extent


def _clarity(boxes: Tensor, stage: CropStage) -> Tensor:
    """As `processing.size_confidence`, of boxes [N, limit, 4]."""
    import tensorflow as tf

    longer = tf.reduce_max(boxes[..., 2:] - boxes[..., :2], -1)
    return tf.clip_by_value(3.0 * (longer / stage.smallest_px - 1.0), 0.0, 1.0)


def _kept(boxes: Tensor, scores: Tensor, metadata: Metadata) -> Tensor:
    """Which of the refined boxes [N, limit, 4] survive suppression in the order of their scores."""
    import tensorflow as tf

    limit = scores.shape[1]

    def one(item: tuple[Tensor, Tensor]) -> Tensor:
        kept = tf.image.non_max_suppression(item[0], item[1], limit, metadata.nms_iou)
        return tf.reduce_any(tf.one_hot(kept, limit, True, False, dtype=tf.bool), 0)

    return tf.map_fn(one, (boxes, scores), fn_output_signature=tf.bool)


def _placed(points: Tensor, corners: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """As `processing.from_crop`."""
    import tensorflow as tf

    left, top, side = corners[..., None, 0], corners[..., None, 1], corners[..., None, 2]
    parts = [(points[..., 0] * side + left) / width, (points[..., 1] * side + top) / height]
    if points.shape[-1] == 3:
        parts.append(points[..., 2] * side / width)
    return tf.stack(parts, -1)
