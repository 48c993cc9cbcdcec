"""The Keras networks of a model folder, and the mean of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gifcue.errors import ConfigError
from gifcue_lab.training.checkpoint import AVERAGED, save_averaged
from gifcue_lab.training.networks import build_network
from gifcue_lab.training.recipe import NetworkShape
from gifcue_lab.training.shapes import NETWORKS, WEIGHTS, read_shapes


def fresh_network(shape: NetworkShape) -> Any:
    """The network with fresh weights in float32, whatever precision it is trained in."""
    keras.mixed_precision.set_global_policy("float32")
    return build_network(shape)


def load_run(shape: NetworkShape, run_dir: Path) -> Any:
    """The network with the averaged weights of a run.

    Raises:
        ConfigError: the folder holds no averaged weights, or those of another network.
    """
    if not (run_dir / AVERAGED).is_file():
        raise ConfigError(
            f"{run_dir}: expected a run ({AVERAGED}), got none; `gifcue-lab train` makes it, and its "
            "first evaluation saves the weights"
        )
    network = fresh_network(shape)
    try:
        network.load_weights(run_dir / AVERAGED)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{run_dir}: expected weights of this network, got {error}") from error
    return network


def load_networks(model_dir: Path) -> dict[str, Any]:
    """The three networks with the weights of a model folder, by task.

    Raises:
        ConfigError: the weights or the metadata are missing, or do not match.
    """
    path, shapes = model_dir / WEIGHTS, read_shapes(model_dir)
    networks = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in NETWORKS:
                network = fresh_network(shapes[name])
                count = len(network.get_weights())
                network.set_weights([arrays[f"{name}/{i}"].astype(np.float32) for i in range(count)])
                networks[name] = network
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: expected weights of {', '.join(NETWORKS)}, got {error!r}") from error
    return networks


def save_networks(model_dir: Path, networks: dict[str, Any]) -> None:
    """Writes the weights of the networks, by task, as float16."""
    arrays: dict[str, Any] = {
        f"{name}/{i}": value.astype(np.float16)
        for name, network in networks.items()
        for i, value in enumerate(network.get_weights())
    }
    np.savez_compressed(model_dir / WEIGHTS, **arrays)


def average_runs(shape: NetworkShape, runs: Sequence[Path], out: Path) -> None:
    """Writes the mean of the averaged weights of several runs of one network as a run of its own.

    Runs that started from the same weights often give a better network together than each of them does alone.

    Args:
        shape: the network, a recipe say.
        runs: folders of finished runs.
        out: the folder of the new run.

    Raises:
        ConfigError: a folder holds no averaged weights, or those of another network.
    """
    weights = [load_run(shape, run).get_weights() for run in runs]
    out.mkdir(parents=True, exist_ok=True)
    network = fresh_network(shape)
    network.set_weights([np.mean(values, axis=0) for values in zip(*weights, strict=True)])
    save_averaged(out, network)
