"""The three networks: one finds faces and hands in a frame, two analyse a crop of a face or a hand.

All convolutions are dense and 3x3 or 1x1. On CPUs with wide vector units they train and run several times faster for
each multiplication than depthwise ones (docs/decisions/0010). Inputs are uint8 RGB in 0..255; the graph
normalises them.

Names of layers and outputs are part of the model files. The outputs `by_shape` and `by_sight` are the logits of the
landmark classifier and of the appearance classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from gifcue_lab.training.recipe import NetworkShape

# Keras has no types: a tensor or a network is Any.
Tensor = Any
Network = Any

POOLED_DROPOUT = 0.3
BATCH_NORM_MOMENTUM = 0.98
# The heat's first value is sigmoid(-4.6) = 1 %. Few cells hold a centre, so a larger one would make the first steps of
# training learn the background alone.
HEAT_BIAS = -4.6
HAND_POINTS = 21


def build_network(shape: NetworkShape) -> Network:
    """The network that a recipe or a model's metadata describes, with fresh weights."""
    options: dict[str, Any] = {}
    if shape.channels:
        options["channels"] = shape.channels
    if shape.blocks:
        options["blocks"] = shape.blocks
    if shape.task == "detector":
        return detector_network(shape.width, shape.height, **options)
    return crop_network(
        shape.width,
        len(shape.points) if shape.task == "face" else HAND_POINTS,
        len(shape.classes) + 1,
        depth_axis=shape.task == "hand",
        name=shape.task,
        own_units=shape.own_units,
        **options,
    )


def detector_network(
    width: int,
    height: int,
    *,
    channels: Sequence[int] = (16, 32, 64, 128, 160),
    blocks: Sequence[int] = (1, 2, 3, 2),
) -> Network:
    """An anchor-free detector of faces and hands at stride 8, for frames [N, height, width, 3].

    Outputs: `heat` [N, height/8, width/8, 2], logits that peak at the centre of a face (channel 0) or a hand (1);
    `sides` [N, height/8, width/8, 8], the distances in units of the stride from a cell's centre to the left, top, right
    and bottom side, four for faces and four for hands.
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
    heat = layers.Conv2D(
        2, 1, bias_initializer=keras.initializers.Constant(HEAT_BIAS), dtype="float32", name="heat"
    )(x)
    sides = layers.Conv2D(8, 1, bias_initializer="ones", dtype="float32")(x)
    # Softplus: distances are positive and span two orders of magnitude.
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
    own_units: int = 0,
) -> Network:
    """A network for crops [N, size, size, 3] of one face or hand: its landmarks, its presence and its class.

    Outputs, all float32: `landmarks` [N, points, 2 or 3] in shares of the crop's side, x and y by a soft-argmax over
    heat maps, z by a dense layer; `heat` [N, cells², points], the logits of the heat maps, for training only;
    `presence` [N, 1], the logit that there is a face or hand; `by_shape` [N, classes], the logits of the landmark
    classifier, which sees the landmarks alone; `by_sight` [N, classes], the logits of the appearance classifier, which
    sees features pooled over the crop and around each landmark.
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

    # Features at each landmark: fingertips that touch look different from fingertips that overlap.
    local = layers.Reshape((cells * cells, 16), dtype="float32")(_conv(x, 16, 1))
    local = layers.Dot(axes=(2, 1), dtype="float32")([weights, local])
    local = layers.Flatten(dtype="float32")(local)
    sight = layers.Concatenate(dtype="float32", name="features")([pooled, local])
    sight = layers.Dropout(POOLED_DROPOUT, dtype="float32")(sight)
    sight = layers.Dense(96 + own_units, activation="relu", dtype="float32", name="sight")(sight)

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
    shape = layers.Dense(96 + own_units, activation="relu", dtype="float32", name="shape_1")(shape)
    shape = layers.Dropout(0.1, dtype="float32")(shape)
    shape = layers.Dense(64 + own_units, activation="relu", dtype="float32", name="shape_2")(shape)
    by_shape = layers.Dense(classes, dtype="float32", name="by_shape")(shape)
    outputs = {
        "landmarks": landmarks,
        "heat": heat,
        "presence": presence,
        "by_shape": by_shape,
        "by_sight": by_sight,
    }
    return keras.Model(picture, outputs, name=name)


def freeze_features(network: Network) -> None:
    """Keeps all weights of a crop network but those of its dense layers, and the statistics of its normalisation."""
    for layer in network.layers:
        layer.trainable = isinstance(layer, layers.Dense)


@keras.saving.register_keras_serializable("gifcue")
class Grid(layers.Layer):  # type: ignore[misc]
    """Soft-argmax: weights [N, points, cells²] that sum to 1 ► their mean place [N, points, 2] (x, y), 0..1."""

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
    """Landmarks [N, points, D] ► [N, points * D], moved and scaled to mean 0 and standard deviation 1, not rotated."""

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
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x)


def _residual(x: Tensor, depth: int) -> Tensor:
    return _add_residual(x, _conv(x, depth, 3), depth)


def _bottleneck(x: Tensor, depth: int) -> Tensor:
    return _add_residual(x, _conv(x, depth // 2, 1), depth)


def _add_residual(x: Tensor, y: Tensor, depth: int) -> Tensor:
    y = layers.Conv2D(depth, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    y = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, gamma_initializer="zeros")(y)
    return layers.ReLU()(layers.Add()([x, y]))


def _join(coarse: Tensor, fine: Tensor) -> Tensor:
    """The sum of features at one level and those of the next coarser level, enlarged."""
    return layers.Add()([layers.UpSampling2D(2)(coarse), fine])
