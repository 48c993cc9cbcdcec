"""The weights that a run starts from: those of another run, or of a model folder such as the shipped one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from gifcue.errors import ConfigError
from gifcue_lab.training.checkpoint import AVERAGED
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.weights import WEIGHTS, load_networks


def load_start(network: Any, recipe: Recipe, folder: Path, *, report: Callable[[str], None] = print) -> None:
    """Puts the weights of a finished run or of a model folder into a network of the recipe.

    From a model folder, a layer whose shape differs keeps its fresh weights, and `report` names it: with other classes
    or landmarks than the model's, that is the last layer of each output.

    Args:
        network: a Keras network, as `build_network(recipe)` makes it.
        recipe: what it is trained for.
        folder: the folder of a run, or of a model with `weights.npz`.
        report: receives a line for the layers that were left fresh.

    Raises:
        ConfigError: the folder is neither, or a run's weights are of another network.
    """
    if (folder / AVERAGED).is_file():
        try:
            network.load_weights(folder / AVERAGED)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"start_from: expected weights of this network in {folder}, got {error}"
            ) from error
        return
    if not (folder / WEIGHTS).is_file():
        raise ConfigError(
            f"start_from: expected a finished run ({AVERAGED}) or a model ({WEIGHTS}) in {folder}, got neither"
        )
    fresh = _copy_matching(network, _shipped_network(recipe, folder))
    if fresh:
        report(
            f"{recipe.name}: fresh weights for {', '.join(fresh)}, whose shape differs from that of {folder}"
        )


def _shipped_network(recipe: Recipe, folder: Path) -> Any:
    # The networks of a model are built in float32; the run's own precision is put back.
    policy = keras.mixed_precision.dtype_policy()
    try:
        return load_networks(folder)[recipe.task]
    finally:
        keras.mixed_precision.set_global_policy(policy)


def _copy_matching(network: Any, source: Any) -> list[str]:
    """Copies layer by layer, in the order in which networks of one task are built; returns the names of those whose
    shapes differ."""
    ours, theirs = ([layer for layer in each.layers if layer.weights] for each in (network, source))
    if len(ours) != len(theirs):
        raise ConfigError(
            f"start_from: expected a network of {len(ours)} layers with weights, got one of {len(theirs)}: "
            "channels and blocks must be those of the model"
        )
    fresh = []
    for mine, other in zip(ours, theirs, strict=True):
        if [weight.shape for weight in mine.weights] == [weight.shape for weight in other.weights]:
            mine.set_weights(other.get_weights())
        else:
            fresh.append(mine.name)
    return fresh
