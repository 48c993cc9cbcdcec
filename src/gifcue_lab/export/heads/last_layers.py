"""The end of a crop network, fitted to new people: softmax regression on its logits and on its last features.

A regression on a thousand fixed features is fitted in seconds, and its result is the optimum, not the state of a run.
It fits into the network as it is: of the units between the features and the appearance logits, many are 0 for every
picture once training has ended. They are made to carry the linear part, so that no format and no backend changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from gifcue.detect.metadata import Calibration
from gifcue.errors import ConfigError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]

# Inverse weight of the L2 penalty. Chosen by cross-validation on portraits that no network was trained on, as are the
# weights of classes in `fit`.
INVERSE_PENALTY = 0.01
# A feature that hardly varies is not enlarged by more than this.
MIN_DEVIATION = 0.01
# Crops in one run of the network.
BATCH = 64


@dataclass(frozen=True, slots=True)
class Ends:
    """What the end of a crop network is computed from.

    Attributes:
        landmark_logits: of the landmark classifier [N, classes].
        appearance_logits: of the appearance classifier [N, classes].
        features: features of the whole crop and of its landmarks [N, F].
    """

    landmark_logits: Floats
    appearance_logits: Floats
    features: Floats

    def inputs(self) -> Floats:
        """The inputs [N, 2 * classes + F] of the regression."""
        return np.concatenate([self.landmark_logits, self.appearance_logits, self.features], 1)

    def rows(self, chosen: npt.NDArray[Any]) -> Ends:
        """Some of the crops."""
        return Ends(self.landmark_logits[chosen], self.appearance_logits[chosen], self.features[chosen])


@dataclass(frozen=True, slots=True)
class LastLayers:
    """A fitted end.

    Attributes:
        weights: [2 * classes + F, classes] for `Ends.inputs`.
        bias: [classes].
    """

    weights: Floats
    bias: Floats

    def logits(self, ends: Ends) -> Floats:
        """The logits [N, classes] of crops."""
        return np.asarray(ends.inputs() @ self.weights + self.bias, np.float32)


def ends_of(network: Any, crops: npt.NDArray[np.uint8]) -> Ends:
    """Runs a crop network on crops [N, S, S, 3]."""
    import keras

    outputs = {name: network.get_layer(name).output for name in ("by_shape", "by_sight", "features")}
    model = keras.Model(network.input, outputs)
    parts = [
        model.predict_on_batch(crops[start : start + BATCH].astype(np.float32))
        for start in range(0, len(crops), BATCH)
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in outputs}
    return Ends(joined["by_shape"], joined["by_sight"], joined["features"])


def fit_last_layers(ends: Sequence[Ends], truth: Integers, weights: npt.ArrayLike) -> LastLayers:
    """Fits the end to crops of known classes.

    Args:
        ends: several views of the same crops, such as their mirror images.
        truth: the classes [N]; each must occur.
        weights: how much each crop counts [N].
    """
    inputs = np.concatenate([view.inputs() for view in ends])
    logits = 2 * ends[0].landmark_logits.shape[1]
    mean, scale = inputs.mean(0), inputs.std(0) + MIN_DEVIATION
    # The logits are the best inputs by far. Left as large as they are, they are hardly penalised.
    mean[:logits], scale[:logits] = 0.0, 1.0
    model = LogisticRegression(C=INVERSE_PENALTY, tol=1e-3, max_iter=300)
    shares = np.tile(np.asarray(weights, np.float64) / len(ends), len(ends))
    model.fit((inputs - mean) / scale, np.tile(truth, len(ends)), shares)
    fitted = model.coef_.T / scale[:, None]
    return LastLayers(fitted.astype(np.float32), (model.intercept_ - mean @ fitted).astype(np.float32))


def write_last_layers(network: Any, layers: LastLayers, calibration: Calibration, ends: Ends) -> int:
    """Puts a fitted end into its network: `calibration` of the logits then gives those of `layers`.

    Units that hardly influence the appearance logits are taken for the linear part, first those that are always 0. Each
    label takes two, one for what lies above its mean and one for what lies below: a single unit would need a large
    constant to stay above 0, which dropout would turn into noise in a later training.

    Args:
        network: the crop network that gave `ends`.
        layers: what was fitted.
        calibration: how both logits are joined in serving; its bias must be 0.
        ends: crops that show which units are in use.

    Returns:
        The number of units that were not 0 before.

    Raises:
        ConfigError: the calibration has a bias.
    """
    if any(calibration.bias):
        raise ConfigError(f"calibration: expected a bias of 0, got {list(calibration.bias)}")
    classes = len(layers.bias)
    by_shape, by_sight, sight = (network.get_layer(name) for name in ("by_shape", "by_sight", "sight"))
    shape_kernel, shape_bias = by_shape.get_weights()
    from_shape, from_sight, linear = np.split(layers.weights, [classes, 2 * classes])
    by_shape.set_weights(
        [each @ from_shape / calibration.landmark_scale for each in (shape_kernel, shape_bias)]
    )

    hidden_kernel, hidden_bias = sight.get_weights()
    sight_kernel, sight_bias = by_sight.get_weights()
    sight_kernel, sight_bias = sight_kernel @ from_sight, sight_bias @ from_sight + layers.bias
    active = np.maximum(ends.features @ hidden_kernel + hidden_bias, 0.0)
    influence = active.std(0) * np.abs(sight_kernel).max(1)
    # Logits matter up to a common value, so class 0 needs no unit if its part is subtracted from the others.
    linear = linear[:, 1:] - linear[:, :1]
    units = np.argsort(influence, kind="stable")[: 2 * (classes - 1)]
    means = (ends.features @ linear).mean(0)
    for label, (above, below) in enumerate(units.reshape(-1, 2), 1):
        column, mean = linear[:, label - 1], means[label - 1]
        hidden_kernel[:, above], hidden_bias[above] = column, -mean
        hidden_kernel[:, below], hidden_bias[below] = -column, mean
        sight_kernel[above] = sight_kernel[below] = 0.0
        sight_kernel[above, label], sight_kernel[below, label] = 1.0, -1.0
        sight_bias[label] += mean
    sight.set_weights([hidden_kernel, hidden_bias])
    by_sight.set_weights([each / calibration.appearance_scale for each in (sight_kernel, sight_bias)])
    return int((influence[units] > 0.0).sum())
