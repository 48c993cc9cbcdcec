"""Pre- and postprocessing in TensorFlow: the same steps as `gifcue.detect.processing`, sampled the same to the pixel.

`[N, limit]` below stands for frames and the most regions of a kind that a frame can have. `[M]` stands for the regions
that were found in all frames of a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from gifcue.detect.metadata import CropStage, Metadata
from gifcue.detect.processing import LETTERBOX_GREY, STRIDE

# TensorFlow has no types.
Tensor = Any


def frame_size(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The frames' height and width, as floats."""
    shape = tf.cast(tf.shape(pixels), tf.float32)
    return shape[1], shape[2]


def letterbox(pixels: Tensor, metadata: Metadata) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `processing.Letterbox`: the detector's input [N, h, w, 3], and scale, left and top of the frames in it."""
    height, width = frame_size(pixels)
    wide, high = metadata.info.input_width, metadata.info.input_height
    scale = tf.minimum(wide / width, high / height)
    left, top = (wide - width * scale) / 2, (high - height * scale) / 2
    count = tf.shape(pixels)[0]
    # The centres of the input's first and last pixels, in pixel indices of the frames.
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
    """As `processing.warp`: samples of the frames `owners` [M] ► [M, *size, 3].

    `boxes` [M, 4] are y, x of the first and of the last sample in pixel indices. The frames are padded by one pixel of
    the border's level, because crop_and_resize does not interpolate beyond the centre of the last pixel, where OpenCV
    blends with the border.
    """
    padded = tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=border)
    height, width = frame_size(padded)
    shares = (boxes + 1.0) / (tf.stack([height, width, height, width]) - 1.0)
    return tf.round(tf.image.crop_and_resize(padded, shares, owners, size, extrapolation_value=border))


def peaks(scores: Tensor, sides: Tensor, metadata: Metadata, limit: int) -> tuple[Tensor, Tensor]:
    """As `processing.peaks` and `processing.suppress`: scores [N, limit], 0 where there are fewer, and boxes
    [N, limit, 4] in input pixels.
    """
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


def scatter(packed: dict[str, Tensor], places: Tensor, shape: Tensor) -> dict[str, Tensor]:
    """Values [M, ...] of `places` [M, 2] in arrays [*shape, ...], zeros elsewhere."""
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


def crop(pixels: Tensor, boxes: Tensor, owners: Tensor, stage: CropStage) -> tuple[Tensor, Tensor]:
    """As `processing.crop`, of boxes [M, 4] of the frames `owners` [M]: crops [M, S, S, 3], and their squares [M, 3]
    (left, top, side).
    """
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


def calibrate(outputs: dict[str, Tensor], found: Tensor, stage: CropStage) -> tuple[Tensor, Tensor]:
    """As `Calibration.probabilities` and `Rescoring.score`: [N, limit, classes] and [N, limit]."""
    calibration, rescoring = stage.calibration, stage.rescoring
    logits = (
        calibration.landmark_scale * outputs["by_shape"] + calibration.appearance_scale * outputs["by_sight"]
    )
    probabilities = tf.nn.softmax(logits + tf.constant(calibration.bias, tf.float32))
    clipped = tf.clip_by_value(found, 1e-4, 1 - 1e-4)
    presence = outputs["presence"][..., 0]
    logit = (
        rescoring.found * tf.math.log(clipped / (1 - clipped)) + rescoring.present * presence + rescoring.bias
    )
    return probabilities, tf.sigmoid(logit)


def refine(boxes: Tensor, points: Tensor, corners: Tensor, stage: CropStage) -> Tensor:
    """As `processing.refine`, of boxes [N, limit, 4] and landmarks in shares of their crops."""
    placed = points[..., :2] * corners[..., None, 2:] + corners[..., None, :2]
    low, high = tf.reduce_min(placed, 2), tf.reduce_max(placed, 2)
    middle, reach = (low + high) / 2, (high - low) / 2 * stage.refinement.scale
    extent = tf.concat([middle - reach, middle + reach], -1)
    return (1 - stage.refinement.weight) * boxes + stage.refinement.weight * extent


def size_confidence(boxes: Tensor, stage: CropStage) -> Tensor:
    """As `processing.size_confidence`: how much the labels of boxes [N, limit, 4] are believed, 0..1."""
    longer = tf.reduce_max(boxes[..., 2:] - boxes[..., :2], -1)
    return tf.clip_by_value(3.0 * (longer / stage.smallest_px - 1.0), 0.0, 1.0)


def kept_by_suppression(boxes: Tensor, scores: Tensor, metadata: Metadata) -> Tensor:
    """Whether each of the refined boxes [N, limit, 4] survives suppression in the order of the scores [N, limit]."""
    limit = scores.shape[1]

    def one(item: tuple[Tensor, Tensor]) -> Tensor:
        kept = tf.image.non_max_suppression(item[0], item[1], limit, metadata.nms_iou)
        return tf.reduce_any(tf.one_hot(kept, limit, True, False, dtype=tf.bool), 0)

    return tf.map_fn(one, (boxes, scores), fn_output_signature=tf.bool)


def from_crop(points: Tensor, corners: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """As `processing.from_crop`: landmarks in shares of their crops ► in shares of the frame."""
    left, top, side = corners[..., None, 0], corners[..., None, 1], corners[..., None, 2]
    parts = [(points[..., 0] * side + left) / width, (points[..., 1] * side + top) / height]
    if points.shape[-1] == 3:
        parts.append(points[..., 2] * side / width)
    return tf.stack(parts, -1)
