"""Checkpoints survive a kill at any moment, and averaged weights are swapped in and out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")


def trained_model(steps: int) -> Any:
    """A compiled model with one dense layer after some steps of training."""
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.AdamW(0.1, use_ema=True, ema_momentum=0.5), loss="mse")
    model.optimizer.build(model.trainable_variables)
    for _ in range(steps):
        model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    return model


def weights(model: Any) -> list[list[float]]:
    """All that training changes: the weights and the optimiser's variables."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(variable).ravel().tolist() for variable in variables]


def test_a_checkpoint_restores_weights_optimiser_and_state(tmp_path: Path) -> None:
    from gifcue_lab.training.checkpoint import load_checkpoint, save_checkpoint

    model, fresh = trained_model(3), trained_model(0)
    assert load_checkpoint(tmp_path, fresh) is None
    save_checkpoint(tmp_path, model, {"epoch": 9, "history": [{"loss": 0.5}]})
    assert load_checkpoint(tmp_path, fresh) == {"epoch": 9, "history": [{"loss": 0.5}]}
    assert weights(fresh) == weights(model)


def test_the_latest_checkpoint_is_kept_whenever_a_save_is_interrupted(tmp_path: Path) -> None:
    from gifcue_lab.training.checkpoint import load_checkpoint, save_checkpoint

    model = trained_model(1)
    save_checkpoint(tmp_path, model, {"epoch": 9})
    # Killed while the next one was written: a folder without its final name is no checkpoint.
    (tmp_path / "part-checkpoint-00010").mkdir()
    (tmp_path / "part-checkpoint-00010" / "training.weights.h5").write_bytes(b"half")
    assert load_checkpoint(tmp_path, model) == {"epoch": 9}
    # Killed before the older one was removed: the later one counts.
    shutil.copytree(tmp_path / "checkpoint-00009", tmp_path / "kept")
    save_checkpoint(tmp_path, model, {"epoch": 10})
    (tmp_path / "kept").rename(tmp_path / "checkpoint-00009")
    assert load_checkpoint(tmp_path, model) == {"epoch": 10}
    save_checkpoint(tmp_path, model, {"epoch": 11})
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint-00011"]


def test_averaged_weights_are_in_the_model_for_the_block_only() -> None:
    from gifcue_lab.training.checkpoint import averaged_weights

    model = trained_model(3)
    before = [value.copy() for value in model.get_weights()]
    with averaged_weights(model):
        within = model.get_weights()
    assert all(np.abs(a - b).max() > 0.01 for a, b in zip(before, within, strict=True))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
