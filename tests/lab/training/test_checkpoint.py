"""Checkpoints survive a kill at any moment, and averaged weights are swapped in and out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from gifcue.errors import ConfigError


def trained_model(steps: int, outputs: int = 2) -> Any:
    """A compiled model with one dense layer after some steps of training."""
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(outputs)])
    model.compile(keras.optimizers.AdamW(0.1, use_ema=True, ema_momentum=0.5), loss="mse")
    model.optimizer.build(model.trainable_variables)
    for _ in range(steps):
        model.train_on_batch(np.ones((4, 3)), np.ones((4, outputs)))
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


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    from gifcue_lab.training.checkpoint import load_checkpoint, save_checkpoint

    save_checkpoint(tmp_path, trained_model(1), {"epoch": 1})
    with pytest.raises(ConfigError, match=r"expected a run of this network, got one .* remove the folder"):
        load_checkpoint(tmp_path, trained_model(0, outputs=3))


def test_training_does_not_go_on_with_other_pictures(tmp_path: Path) -> None:
    from gifcue_lab.training.loop import train
    from gifcue_lab.training.recipe import Recipe
    from gifcue_lab.training.run_state import made_of

    recipe = Recipe(name="own", task="hand", width=32, height=32, epochs=1, classes=("wave",))
    picture = tmp_path / "data" / "train" / "anna" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"first")
    made = made_of(recipe, tmp_path / "data", tmp_path)
    picture.write_bytes(b"second")
    (tmp_path / "own" / "checkpoint-00001").mkdir(parents=True)
    state = {"epoch": 1, "history": [], "made_of": made}
    (tmp_path / "own" / "checkpoint-00001" / "state.json").write_text(json.dumps(state))
    # Before a picture is decoded: these are none.
    with pytest.raises(ConfigError, match="got one with other pictures"):
        train(recipe, tmp_path / "data", tmp_path)


def test_photographs_without_samples_name_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gifcue_lab.training import loop
    from gifcue_lab.training.recipe import Recipe

    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.jpg").write_bytes(b"a picture")
    task = SimpleNamespace(source=SimpleNamespace(epoch=lambda rng: []))
    monkeypatch.setattr(loop, "prepare", lambda recipe, data_dir, runs_dir: task)
    recipe = Recipe(name="own", task="hand", width=32, height=32, epochs=1, precision="float32")
    with pytest.raises(ConfigError, match="train: expected labelled hand samples, got none"):
        loop.train(recipe, tmp_path, tmp_path)
