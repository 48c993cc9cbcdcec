"""The state of a run on disk. A kill at any moment loses one epoch at most.

Keras writes the weights and the optimiser's state. Its callback `BackupAndRestore` is not used: it replaces the weights
and the number of the epoch one after the other, so a kill between the two repeats an epoch with the weights that
already learned from it, and it does not keep the history that early stopping needs. Here all of it is written into a
new folder, which gets its final name last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from gifcue.errors import ConfigError
from gifcue_lab.training.run_state import CHECKPOINTS, STATE, latest_checkpoint, read_state

AVERAGED = "averaged.weights.h5"
_FOLDER = "checkpoint-{epoch:05d}"
_WEIGHTS = "training.weights.h5"

# Keras has no types.
Model = Any


def save_checkpoint(run_dir: Path, model: Model, state: dict[str, Any]) -> None:
    """Writes weights, the optimiser's variables (the weights' average included) and `state`.

    Args:
        run_dir: the folder of the run.
        model: a compiled and built model.
        state: any JSON object with the number of finished epochs as `epoch`.
    """
    folder = run_dir / _FOLDER.format(epoch=state["epoch"])
    part = run_dir / f"part-{folder.name}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    model.save_weights(part / _WEIGHTS)
    (part / STATE).write_text(json.dumps(state), encoding="utf-8")
    older = sorted(run_dir.glob(CHECKPOINTS))
    # Renamed before the older ones go: in the other order a kill in between would leave no checkpoint.
    part.replace(folder)
    for each in older:
        shutil.rmtree(each)


def load_checkpoint(run_dir: Path, model: Model) -> dict[str, Any] | None:
    """Restores the latest checkpoint into the model and its optimiser, and returns its state; None without one.

    Raises:
        ConfigError: the checkpoint is damaged, or of another network.
    """
    folder = latest_checkpoint(run_dir)
    if folder is None:
        return None
    try:
        model.load_weights(folder / _WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{run_dir}: expected a run of this network, got one whose checkpoint cannot be taken; remove the folder, "
            f"or give the new run another name ({_first_line(error)})"
        ) from error
    return read_state(run_dir)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def averaged_weights(model: Model) -> Iterator[None]:
    """Puts the optimiser's moving average of the weights into the model for the block.

    The callback is called by hand, since `fit` is not used: `fit` ends by replacing the weights with their average,
    which a run that stops early or is resumed must not do. On TensorFlow the callback swaps by addition and
    subtraction, so the weights come back with a relative error of about 1e-7.
    """
    if not (model.optimizer.use_ema and model.optimizer.built):
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def save_averaged(run_dir: Path, network: Model) -> None:
    """Writes the network's present weights as the run's result; to be called within `averaged_weights`."""
    part = run_dir / f"part-{AVERAGED}"
    network.save_weights(part)
    part.replace(run_dir / AVERAGED)
