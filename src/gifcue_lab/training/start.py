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

_OTHER_NETWORK = (
    "start_from: expected a network of this size, and channels and blocks must be those of the model"
)


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
    source = _shipped_network(recipe, folder)
    if recipe.new_labels_only:
        new = recipe.classes[len(known) :]
        if not new or recipe.classes[: len(known)] != known:
            raise ConfigError(
                f"new_labels_only: expected the classes {', '.join(known)} of the model and then new ones, got "
                f"{', '.join(recipe.classes)}"
            )
        _grow(network, source)
        report(f"{recipe.name}: learns {', '.join(new)}; the rest of the network stays as it is")
        return
    partial = _copy_matching(network, source, recipe.classes, known)
    if partial:
        new = tuple(label for label in recipe.classes if label not in known)
        report(
            f"{recipe.name}: fresh weights in {', '.join(partial)} for what the model does not have: {', '.join(new)}"
        )


class _Kept:
    """After each step, puts back what a variable keeps; `free` is 1 where it is trained and 0 elsewhere."""

    def __init__(self, values: Any, free: Any) -> None:
        self._free, self._kept = free, values * (1.0 - free)

    def __call__(self, variable: Any) -> Any:
        return variable * self._free + self._kept


def _grow(network: Any, source: Any) -> None:
    """Copies a network into one that has more outputs and hidden units, and leaves only these to be trained.

    The source's own outputs do not see the new units: their weights for these are 0, and stay 0.
    """
    for mine, other in _pairs(network, source):
        new, old = mine.get_weights(), other.get_weights()
        free = [np.zeros(value.shape, np.float32) for value in new]
        for value, known, mask in zip(new, old, free, strict=True):
            if value.ndim != known.ndim or (value.shape != known.shape and value.ndim > 2):
                raise ConfigError(_OTHER_NETWORK)
            if value.shape == known.shape:
                value[...] = known
                continue
            outputs = known.shape[-1]
            value[..., :outputs] = 0.0
            value[tuple(slice(size) for size in known.shape)] = known
            mask[..., outputs:] = 1.0
        mine.set_weights(new)
        mine.trainable = any(mask.any() for mask in free)
        if mine.trainable:
            for variable, value, mask in zip(mine.trainable_variables, new, free, strict=True):
                variable.constraint = _Kept(value, mask)


def _pairs(network: Any, source: Any) -> list[tuple[Any, Any]]:
    """The layers with weights of two networks of one task, in the order in which these are built."""
    ours, theirs = ([layer for layer in each.layers if layer.weights] for each in (network, source))
    if len(ours) != len(theirs):
        raise ConfigError(
            f"{_OTHER_NETWORK}, got one of {len(theirs)} layers with weights instead of {len(ours)}"
        )
    return list(zip(ours, theirs, strict=True))


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
    # Class 0 is "none of them".
    shared = [(0, 0)] + [
        (classes.index(each) + 1, known.index(each) + 1) for each in classes if each in known
    ]
    partial = []
    for mine, other in _pairs(network, source):
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
