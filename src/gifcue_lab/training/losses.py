"""The losses of the networks, written in `keras.ops`, so that they run on every Keras backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
Parts = dict[str, Tensor]

# Standard deviation of the Gaussian target of a landmark's heat map, in cells.
HEAT_SIGMA = 0.8
# Weights of the parts of the crop loss, chosen so that the parts are of similar size once training has settled.
WEIGHTS = {"heat": 0.25, "position": 12.0, "depth": 4.0, "presence": 0.3, "by_sight": 0.5, "by_shape": 0.5}


def crop_loss(targets: Parts, outputs: Parts) -> tuple[Tensor, Parts]:
    """The loss of a crop network, and its parts.

    Args:
        targets: those of `crops.CropSource.batch`; unknown landmarks and labels are masked by `has_*`.
        outputs: those of `networks.crop_network`.
    """
    known, mask = targets["landmarks"], targets["has_landmarks"]
    places, cells_squared = known[:, :, :2], outputs["heat"].shape[1]
    # The heat map has no cell for a landmark outside the crop. Its coordinates are trained all the same, clipped to the
    # edge.
    inside = ops.cast(ops.all((places > 0.0) & (places < 1.0), axis=2), "float32")
    wanted = _gaussians(places, round(cells_squared**0.5))
    cross_entropy = -ops.sum(wanted * ops.log_softmax(outputs["heat"], axis=1), axis=1)
    error = ops.abs(outputs["landmarks"][:, :, :2] - ops.clip(places, 0.0, 1.0))
    weight = ops.maximum(ops.sum(mask), 1.0)
    points = float(known.shape[1])
    parts = {
        "heat": ops.sum(cross_entropy * inside * mask[:, None]) / (weight * points),
        "position": ops.sum(ops.mean(error, axis=(1, 2)) * mask) / weight,
        "presence": ops.mean(
            keras.losses.binary_crossentropy(
                targets["presence"][:, None], outputs["presence"], from_logits=True, label_smoothing=0.02
            )
        ),
    }
    if known.shape[2] == 3:
        depth_error = ops.mean(ops.abs(outputs["landmarks"][:, :, 2] - known[:, :, 2]), axis=1)
        parts["depth"] = ops.sum(depth_error * mask) / weight
    for classifier in ("by_sight", "by_shape"):
        parts[classifier] = class_loss(targets, outputs[classifier])
    return sum(WEIGHTS[name] * part for name, part in parts.items()), parts


def detector_loss(targets: Parts, outputs: Parts) -> tuple[Tensor, Parts]:
    """The detector's loss and its parts: focal loss on the heat map, generalised IoU on the boxes near a centre.

    Args:
        targets: the maps of `heatmaps.empty_targets`, [N, h, w, channels].
        outputs: those of `networks.detector_network`.
    """
    wanted, logits = targets["heat"], outputs["heat"]
    probability = ops.sigmoid(logits)
    centre = ops.cast(wanted > 0.999, "float32")
    positive = centre * ops.square(1.0 - probability) * ops.softplus(-logits)
    negative = (1.0 - centre) * ops.power(1.0 - wanted, 4) * ops.square(probability) * ops.softplus(logits)
    count = ops.maximum(ops.sum(centre), 1.0)
    parts = {"centre": ops.sum((positive + negative) * targets["ignore"]) / count}
    near = targets["near"]
    box_loss = sum(
        ops.sum(
            near[..., kind]
            * _giou_loss(targets["sides"][..., start : start + 4], outputs["sides"][..., start : start + 4])
        )
        for kind, start in ((0, 0), (1, 4))
    )
    parts["box"] = box_loss / ops.maximum(ops.sum(near), 1.0)
    return parts["centre"] + 2.0 * parts["box"], parts


def _giou_loss(wanted: Tensor, given: Tensor) -> Tensor:
    """1 - generalised IoU of boxes given as distances (left, top, right, bottom) from the same point."""
    wanted_area = (wanted[..., 0] + wanted[..., 2]) * (wanted[..., 1] + wanted[..., 3])
    given_area = (given[..., 0] + given[..., 2]) * (given[..., 1] + given[..., 3])
    small, large = ops.minimum(wanted, given), ops.maximum(wanted, given)
    shared = (small[..., 0] + small[..., 2]) * (small[..., 1] + small[..., 3])
    hull = (large[..., 0] + large[..., 2]) * (large[..., 1] + large[..., 3])
    union = wanted_area + given_area - shared
    return 1.0 - shared / (union + 1e-6) + (hull - union) / (hull + 1e-6)


def class_loss(targets: Parts, logits: Tensor) -> Tensor:
    """Cross entropy where the label is known, and -log(1 - p) of a class that is known to be absent."""
    mask = targets["has_label"]
    classes = logits.shape[1]
    wanted = ops.one_hot(ops.cast(targets["label"], "int32"), classes)
    smooth = wanted * 0.97 + 0.03 / classes
    cross_entropy = -ops.sum(smooth * ops.log_softmax(logits, axis=1), axis=1)
    absent = ops.one_hot(ops.cast(targets["absent"], "int32"), classes)
    has_absent = ops.cast(targets["absent"] > 0, "float32")
    others = ops.logsumexp(logits - 1e4 * absent, axis=1)
    absence = ops.logsumexp(logits, axis=1) - others
    return ops.sum(cross_entropy * mask + absence * has_absent) / ops.maximum(ops.sum(mask + has_absent), 1.0)


def _gaussians(places: Tensor, cells: int) -> Tensor:
    """Places [N, points, 2] in shares of the crop ► Gaussians [N, cells², points] that sum to 1 over the cells."""
    middle = ops.arange(cells, dtype="float32") + 0.5
    x = ops.exp(-ops.square((middle[None, :, None] - places[:, None, :, 0] * cells) / HEAT_SIGMA) / 2)
    y = ops.exp(-ops.square((middle[None, :, None] - places[:, None, :, 1] * cells) / HEAT_SIGMA) / 2)
    both = ops.reshape(y[:, :, None, :] * x[:, None, :, :], (-1, cells * cells, places.shape[1]))
    return both / (ops.sum(both, axis=1, keepdims=True) + 1e-9)
