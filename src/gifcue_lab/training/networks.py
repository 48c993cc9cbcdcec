"""The three networks: one finds faces and hands, two look at a face or a hand closely.

Dense 3x3 convolutions throughout: on CPUs with wide vector units they train and run several times faster per
multiplication than depthwise ones (docs/decisions/0010). Inputs are uint8 RGB in 0..255, normalised in the
graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

# Keras brings no types; a tensor or a layer is Any.
Tensor = Any
Network = Any

POOLED_DROPOUT = 0.3


def detector_network(
    width: int,
    height: int,
    *,
    channels: Sequence[int] = (16, 32, 64, 128, 160),
    blocks: Sequence[int] = (1, 2, 3, 2),
) -> Network:
    """Faces and hands in a frame: [N, height, width, 3] ► heat [N, H/8, W/8, 2] (logits), sides [N, H/8,
    W/8, 8].

    Anchor-free at stride 8: `heat` peaks at the centre of a face (0) or a hand (1); `sides` are the
    distances from the cell's centre to the left, top, right and bottom side in units of the stride, four for
    faces and four for hands.
    """
    picture = keras.Input((height, width, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(picture)
    x = _conv(x, channels[0], 3, 2)
    levels = []
    for count, depth in zip(blocks, channels[1:], strict=True):
        x = _conv(x, depth, 3, 2)
        for _ in range(count):
            x = _bottleneck(x, depth)
        levels.append(x)
    _, eighth, sixteenth, coarse = levels
    neck = channels[2]
    x = _join(_conv(coarse, neck + neck // 2, 1), _conv(sixteenth, neck + neck // 2, 1))
    x = _conv(x, neck, 3)
    x = _join(x, _conv(eighth, neck, 1))
    x = _conv(x, neck, 3)
    x = _conv(x, neck, 3)
    # Few cells hold a centre: starting the heat at 1 % keeps the first steps from drowning in the background.
    heat = layers.Conv2D(
        2, 1, bias_initializer=keras.initializers.Constant(-4.6), dtype="float32", name="heat"
    )(x)
    sides = layers.Conv2D(8, 1, bias_initializer="ones", dtype="float32")(x)
    # Sides are positive and span two orders of magnitude.
    sides = layers.Activation("softplus", dtype="float32", name="sides")(sides)
    return keras.Model(picture, {"heat": heat, "sides": sides}, name="detector")


def crop_network(
    size: int,
    points: int,
    classes: int,
    *,
    depth_axis: bool,
    name: str,
    channels: Sequence[int] = (16, 32, 64, 112),
    blocks: Sequence[int] = (2, 2, 2),
    neck: int = 48,
) -> Network:
    """A close look at one face or hand: [N, size, size, 3] ► landmarks, presence, what it shows.

    Outputs, all float32: `landmarks` [N, points, 2 or 3] in shares of the crop (soft-argmax over heat maps;
    z dense, in shares of the crop's side); `heat` [N, cells, points], the logits of the heat maps, for
    training only; `presence` [N, 1] logit; `by_shape` [N, classes] logits from the landmarks alone;
    `by_sight` [N, classes] logits from features, pooled over the crop and around each landmark.
    """
    picture = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(picture)
    x = _conv(x, channels[0], 3, 2)
    levels = []
    for count, depth in zip(blocks, channels[1:], strict=True):
        x = _conv(x, depth, 3, 2)
        for _ in range(count):
            x = _residual(x, depth)
        levels.append(x)
    pooled = layers.GlobalAveragePooling2D(dtype="float32")(x)
    x = _join(_conv(x, channels[2], 1), levels[1])
    x = _conv(x, channels[2], 3)
    x = _join(_conv(x, neck, 1), _conv(levels[0], neck, 1))
    x = _conv(x, neck, 3)

    cells = size // 4
    heat = layers.Conv2D(points, 1, dtype="float32")(x)
    heat = layers.Reshape((cells * cells, points), dtype="float32", name="heat")(heat)
    weights = layers.Softmax(axis=1, dtype="float32")(heat)
    weights = layers.Permute((2, 1), dtype="float32")(weights)
    where = Grid(cells, dtype="float32", name="grid")(weights)

    # What the picture looks like at each landmark: fingertips that touch look different from fingertips that
    # overlap.
    local = layers.Reshape((cells * cells, 16), dtype="float32")(_conv(x, 16, 1))
    local = layers.Dot(axes=(2, 1), dtype="float32")([weights, local])
    local = layers.Flatten(dtype="float32")(local)
    sight = layers.Concatenate(dtype="float32")([pooled, local])
    sight = layers.Dropout(POOLED_DROPOUT, dtype="float32")(sight)
    sight = layers.Dense(96, activation="relu", dtype="float32")(sight)

    landmarks = where
    if depth_axis:
        z = layers.Dense(points, dtype="float32", kernel_initializer="zeros")(sight)
        z = layers.Reshape((points, 1), dtype="float32")(z)
        landmarks = layers.Concatenate(axis=2, dtype="float32")([where, z])
    landmarks = layers.Activation("linear", dtype="float32", name="landmarks")(landmarks)
    presence = layers.Dense(1, dtype="float32", name="presence")(pooled)
    by_sight = layers.Dropout(POOLED_DROPOUT, dtype="float32")(sight)
    by_sight = layers.Dense(classes, dtype="float32", name="by_sight")(by_sight)
    shape = Shape(dtype="float32", name="shape")(landmarks)
    shape = layers.Dense(96, activation="relu", dtype="float32", name="shape_1")(shape)
    shape = layers.Dropout(0.1, dtype="float32")(shape)
    shape = layers.Dense(64, activation="relu", dtype="float32", name="shape_2")(shape)
    by_shape = layers.Dense(classes, dtype="float32", name="by_shape")(shape)
    outputs = {
        "landmarks": landmarks,
        "heat": heat,
        "presence": presence,
        "by_shape": by_shape,
        "by_sight": by_sight,
    }
    return keras.Model(picture, outputs, name=name)


@keras.saving.register_keras_serializable("gifcue")
class Grid(layers.Layer):  # type: ignore[misc]
    """Soft-argmax: weights [N, points, cells²] that sum to 1 ► their mean place [N, points, 2] (x, y) in
    0..1.
    """

    def __init__(self, cells: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = cells

    def call(self, weights: Tensor) -> Tensor:
        middle = (ops.arange(self.cells, dtype="float32") + 0.5) / self.cells
        y, x = ops.meshgrid(middle, middle, indexing="ij")
        places = ops.stack([ops.reshape(x, (-1,)), ops.reshape(y, (-1,))], 1)
        return ops.matmul(weights, places)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": self.cells}


@keras.saving.register_keras_serializable("gifcue")
class Shape(layers.Layer):  # type: ignore[misc]
    """Landmarks [N, points, D] ► [N, points * D]: their mean at the origin, their spread 1, never turned."""

    def call(self, landmarks: Tensor) -> Tensor:
        centered = landmarks - ops.mean(landmarks, axis=1, keepdims=True)
        flat = centered[:, :, :2]
        spread = ops.sqrt(ops.mean(flat * flat, axis=(1, 2), keepdims=True) + 1e-6)
        scaled = centered / spread
        return ops.reshape(scaled, (-1, landmarks.shape[1] * landmarks.shape[2]))


def _conv(x: Tensor, depth: int, kernel: int, stride: int = 1) -> Tensor:
    x = layers.Conv2D(depth, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    x = layers.BatchNormalization(momentum=0.98)(x)
    return layers.ReLU()(x)


def _residual(x: Tensor, depth: int) -> Tensor:
    y = _conv(x, depth, 3)
    y = layers.Conv2D(depth, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    y = layers.BatchNormalization(momentum=0.98, gamma_initializer="zeros")(y)
    return layers.ReLU()(layers.Add()([x, y]))


def _bottleneck(x: Tensor, depth: int) -> Tensor:
    y = _conv(x, depth // 2, 1)
    y = layers.Conv2D(depth, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    y = layers.BatchNormalization(momentum=0.98, gamma_initializer="zeros")(y)
    return layers.ReLU()(layers.Add()([x, y]))


def _join(coarse: Tensor, fine: Tensor) -> Tensor:
    return layers.Add()([layers.UpSampling2D(2)(coarse), fine])
