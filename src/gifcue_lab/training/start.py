"""The weights that a run starts from: those of another run, or of a model folder such as the shipped one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gifcue.errors import ConfigError
from gifcue_lab.training.checkpoint import AVERAGED
from gifcue_lab.training.recipe import SHIPPED, Recipe
from gifcue_lab.training.shapes import WEIGHTS, read_shapes
from gifcue_lab.training.weights import load_networks

# The layers of a crop network with an output for each class.
CLASSIFIERS = ("by_sight", "by_shape")


def load_start(network: Any, recipe: Recipe, folder: Path, *, report: Callable[[str], None] = print) -> None:
    """Puts the weights of a finished run or of a model folder into a network of the recipe.

    With other classes than the model's, the last layer of each classifier keeps fresh weights for the classes that the
    model does not have. Where the recipe asks for it, nothing else is trained.

    Args:
        network: a Keras network, as `build_network(recipe)` makes it.
        recipe: what it is trained for.
        folder: the folder of a run, or of a model with `weights.npz`.
        report: receives a line for the layers that were not copied whole.

    Raises:
        ConfigError: the folder is neither, a run's weights are of another network, or there is no new class to train.
    """
    if (folder / AVERAGED).is_file() and not recipe.new_labels_only:
        try:
            network.load_weights(folder / AVERAGED)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"start_from: expected weights of this network in {folder}, got {error}"
            ) from error
        return
    if not (folder / WEIGHTS).is_file():
        hint = (
            "; an installed package holds only the files that are served, so work in a checkout of gifcue"
            if recipe.start_from == SHIPPED
            else ""
        )
        raise ConfigError(
            f"start_from: expected a finished run ({AVERAGED}) or a model ({WEIGHTS}) in {folder}, got neither{hint}"
        )
    known = read_shapes(folder)[recipe.task].classes
    new = [label for label in recipe.classes if label not in known]
    partial = _copy_matching(network, _shipped_network(recipe, folder), recipe.classes, known)
    if partial:
        report(
            f"{recipe.name}: fresh weights in {', '.join(partial)} for what the model does not have: {', '.join(new)}"
        )
    if recipe.new_labels_only:
        if not new:
            raise ConfigError(
                f"new_labels_only: expected a class that the model does not have, got {', '.join(recipe.classes)}"
            )
        _freeze(network, [recipe.classes.index(label) + 1 for label in new])


class _Kept:
    """After each step, puts all columns of a variable but some back to what they were."""

    def __init__(self, values: Any, free: Sequence[int]) -> None:
        self._free = np.zeros(values.shape[-1], np.float32)
        self._free[list(free)] = 1.0
        self._kept = values * (1.0 - self._free)

    def __call__(self, variable: Any) -> Any:
        return variable * self._free + self._kept


def _freeze(network: Any, free: Sequence[int]) -> None:
    """Leaves only these outputs of the classifiers to be trained."""
    for layer in network.layers:
        layer.trainable = layer.name in CLASSIFIERS
    for name in CLASSIFIERS:
        for variable in network.get_layer(name).trainable_variables:
            variable.constraint = _Kept(variable.numpy(), free)


def _shipped_network(recipe: Recipe, folder: Path) -> Any:
    # The networks of a model are built in float32; the run's own precision is put back.
    policy = keras.mixed_precision.dtype_policy()
    try:
        return load_networks(folder)[recipe.task]
    finally:
        keras.mixed_precision.set_global_policy(policy)


def _copy_matching(network: Any, source: Any, classes: Sequence[str], known: Sequence[str]) -> list[str]:
    """Copies layer by layer, in the order in which networks of one task are built.

    A layer that ends in one output for each class gets the columns of the classes that both have.

    Returns:
        The names of the layers that were not copied whole.
    """
    ours, theirs = ([layer for layer in each.layers if layer.weights] for each in (network, source))
    if len(ours) != len(theirs):
        raise ConfigError(
            f"start_from: expected a network of {len(ours)} layers with weights, got one of {len(theirs)}: "
            "channels and blocks must be those of the model"
        )
    # Class 0 is "none of them".
    shared = [(0, 0)] + [
        (classes.index(each) + 1, known.index(each) + 1) for each in classes if each in known
    ]
    partial = []
    for mine, other in zip(ours, theirs, strict=True):
        new, old = mine.get_weights(), other.get_weights()
        if [value.shape for value in new] == [value.shape for value in old]:
            mine.set_weights(old)
            continue
        partial.append(mine.name)
        ends = (len(classes) + 1, len(known) + 1)
        if all((one.shape[-1], two.shape[-1]) == ends for one, two in zip(new, old, strict=True)):
            for one, two in zip(new, old, strict=True):
                for to, source_column in shared:
                    one[..., to] = two[..., source_column]
            mine.set_weights(new)
    return partial
