"""The state of a run on disk: written whole or not at all, so that a kill at any moment loses an epoch at
most.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

CHECKPOINT = "checkpoint.npz"
AVERAGED = "averaged.weights.h5"

Model = Any
Optimizer = Any


def save_checkpoint(run_dir: Path, model: Model, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Writes weights, the optimiser's variables (averages included) and `state`, which must be JSON."""
    arrays = {f"model_{i}": np.asarray(value, np.float32) for i, value in enumerate(model.get_weights())}
    for i, variable in enumerate(optimizer.variables):
        arrays[f"optimizer_{i}"] = keras.ops.convert_to_numpy(variable)
    arrays["state"] = np.array(json.dumps(state))
    half_written = run_dir / (CHECKPOINT + ".part")
    with half_written.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    half_written.replace(run_dir / CHECKPOINT)


def load_checkpoint(run_dir: Path, model: Model, optimizer: Optimizer) -> dict[str, Any] | None:
    """Restores what `save_checkpoint` wrote and returns its state; None where there is no checkpoint."""
    path = run_dir / CHECKPOINT
    if not path.exists():
        return None
    with np.load(path) as arrays:
        model.set_weights([arrays[f"model_{i}"] for i in range(len(model.get_weights()))])
        for i, variable in enumerate(optimizer.variables):
            variable.assign(arrays[f"optimizer_{i}"])
        state: dict[str, Any] = json.loads(str(arrays["state"]))
    return state


class Averaged:
    """Puts the averaged weights into the model, and takes them out again, as a context manager."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._pairs = list(
            zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
            if optimizer.use_ema and optimizer.built
            else []
        )
        self._kept: list[Any] = []

    def __enter__(self) -> None:
        self._kept = [keras.ops.convert_to_numpy(variable) for variable, _ in self._pairs]
        for variable, average in self._pairs:
            variable.assign(average)

    def __exit__(self, *_: object) -> None:
        for (variable, _), kept in zip(self._pairs, self._kept, strict=True):
            variable.assign(kept)


def save_averaged(run_dir: Path, network: Model) -> None:
    """Writes the network's weights of the moment; to be called inside `Averaged`."""
    part = run_dir / ("part_" + AVERAGED)
    network.save_weights(part)
    part.replace(run_dir / AVERAGED)
