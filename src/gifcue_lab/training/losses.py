"""What the networks are trained to do. Written in `keras.ops`, so that every Keras backend runs it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
Parts = dict[str, Tensor]

# Heat maps are taught a bump of this width, in cells.
HEAT_SIGMA = 0.8
# Weights of the parts, so that each counts about as much once training is under way.
WEIGHTS = {"heat": 0.25, "place": 12.0, "depth": 4.0, "presence": 0.3, "by_sight": 0.5, "by_shape": 0.5}


def crop_loss(targets: Parts, outputs: Parts) -> tuple[Tensor, Parts]:
    """The loss of a crop network, and its parts. Unknown landmarks and labels are masked by `has_*`.

    `denied` is the number of a class that a crop without a label is known not to show, or 0.
    """
    known, mask = targets["landmarks"], targets["has_landmarks"]
    places, cells_squared = known[:, :, :2], outputs["heat"].shape[1]
    # A point outside the crop has no cell to light up; the coordinates are still asked for, clipped to the
    # edge.
    inside = ops.cast(ops.all((places > 0.0) & (places < 1.0), axis=2), "float32")
    bumps = _bumps(places, round(cells_squared**0.5))
    cross = -ops.sum(bumps * ops.log_softmax(outputs["heat"], axis=1), axis=1)
    miss = ops.abs(outputs["landmarks"][:, :, :2] - ops.clip(places, 0.0, 1.0))
    weight = ops.maximum(ops.sum(mask), 1.0)
    points = float(known.shape[1])
    parts = {
        "heat": ops.sum(cross * inside * mask[:, None]) / (weight * points),
        "place": ops.sum(ops.mean(miss, axis=(1, 2)) * mask) / weight,
        "presence": ops.mean(
            keras.losses.binary_crossentropy(
                targets["presence"][:, None], outputs["presence"], from_logits=True, label_smoothing=0.02
            )
        ),
    }
    if known.shape[2] == 3:
        deep = ops.mean(ops.abs(outputs["landmarks"][:, :, 2] - known[:, :, 2]), axis=1)
        parts["depth"] = ops.sum(deep * mask) / weight
    for head in ("by_sight", "by_shape"):
        parts[head] = class_loss(targets, outputs[head])
    return sum(WEIGHTS[name] * part for name, part in parts.items()), parts


def detector_loss(targets: Parts, outputs: Parts) -> tuple[Tensor, Parts]:
    """Penalty-reduced focal loss on the heat map, generalised IoU on the sides of the cells near a centre.

    `heat` [N, h, w, 2] holds bumps with 1 at the centres, `ignore` [N, h, w, 2] is 0 where nothing is asked,
    `sides` [N, h, w, 8] and `near` [N, h, w, 2] the cells whose sides are asked for, with their weights.
    """
    wanted, logits = targets["heat"], outputs["heat"]
    chance = ops.sigmoid(logits)
    centre = ops.cast(wanted > 0.999, "float32")
    hit = centre * ops.square(1.0 - chance) * ops.softplus(-logits)
    false = (1.0 - centre) * ops.power(1.0 - wanted, 4) * ops.square(chance) * ops.softplus(logits)
    count = ops.maximum(ops.sum(centre), 1.0)
    parts = {"centre": ops.sum((hit + false) * targets["ignore"]) / count}
    near = targets["near"]
    lost = sum(
        ops.sum(
            near[..., kind]
            * _giou_loss(targets["sides"][..., start : start + 4], outputs["sides"][..., start : start + 4])
        )
        for kind, start in ((0, 0), (1, 4))
    )
    parts["box"] = lost / ops.maximum(ops.sum(near), 1.0)
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
    """Cross entropy of the labels that are known, and the surprise that a denied class is not shown."""
    mask = targets["has_label"]
    classes = logits.shape[1]
    wanted = ops.one_hot(ops.cast(targets["label"], "int32"), classes)
    smooth = wanted * 0.97 + 0.03 / classes
    cross = -ops.sum(smooth * ops.log_softmax(logits, axis=1), axis=1)
    denied = ops.one_hot(ops.cast(targets["denied"], "int32"), classes)
    denying = ops.cast(targets["denied"] > 0, "float32")
    others = ops.logsumexp(logits - 1e4 * denied, axis=1)
    surprise = ops.logsumexp(logits, axis=1) - others
    return ops.sum(cross * mask + surprise * denying) / ops.maximum(ops.sum(mask + denying), 1.0)


def _bumps(places: Tensor, cells: int) -> Tensor:
    """Places [N, points, 2] ► [N, cells², points] that sum to 1 over the cells."""
    middle = ops.arange(cells, dtype="float32") + 0.5
    x = ops.exp(-ops.square((middle[None, :, None] - places[:, None, :, 0] * cells) / HEAT_SIGMA) / 2)
    y = ops.exp(-ops.square((middle[None, :, None] - places[:, None, :, 1] * cells) / HEAT_SIGMA) / 2)
    both = ops.reshape(y[:, :, None, :] * x[:, None, :, :], (-1, cells * cells, places.shape[1]))
    return both / (ops.sum(both, axis=1, keepdims=True) + 1e-9)
