"""Runs, weights and LiteRT files, with networks of a few thousand parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue.errors import ConfigError

pytest.importorskip("tensorflow")

RECIPE = """
task = "hand"
width = 32
height = 32
epochs = 1
classes = ["wave"]
channels = [8, 8, 16, 16]
blocks = [1, 1, 1]
"""


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "hand.toml"
    path.write_text(RECIPE)
    return path


def write_run(recipe_path: Path, folder: Path, value: float) -> None:
    """A run whose weights all have one value."""
    from gifcue_lab.training.checkpoint import save_averaged
    from gifcue_lab.training.recipe import read_recipe
    from gifcue_lab.training.weights import fresh_network

    network = fresh_network(read_recipe(recipe_path))
    network.set_weights([np.full_like(weight, value) for weight in network.get_weights()])
    folder.mkdir()
    save_averaged(folder, network)


def test_the_mean_of_runs_is_a_run(recipe_path: Path, tmp_path: Path) -> None:
    from gifcue_lab.training.checkpoint import AVERAGED
    from gifcue_lab.training.recipe import read_recipe
    from gifcue_lab.training.weights import average_runs, fresh_network

    for name, value in (("one", 1.0), ("other", 4.0)):
        write_run(recipe_path, tmp_path / name, value)
    average_runs(read_recipe(recipe_path), [tmp_path / "one", tmp_path / "other"], tmp_path / "mean")
    network = fresh_network(read_recipe(recipe_path))
    network.load_weights(tmp_path / "mean" / AVERAGED)
    assert {float(weight.mean()) for weight in network.get_weights()} == {2.5}


def test_a_folder_without_a_run_is_named(recipe_path: Path, tmp_path: Path) -> None:
    from gifcue_lab.training.recipe import read_recipe
    from gifcue_lab.training.weights import average_runs

    with pytest.raises(ConfigError, match="nothing: expected a run"):
        average_runs(read_recipe(recipe_path), [tmp_path / "nothing"], tmp_path / "mean")


def test_int8_crop_networks_answer_like_the_float_ones(recipe_path: Path) -> None:
    """Only convolutions are quantised: landmarks come from a softmax that needs more than 256 steps."""
    from ai_edge_litert.interpreter import Interpreter

    from gifcue_lab.export.litert import convert
    from gifcue_lab.training.recipe import read_recipe
    from gifcue_lab.training.weights import fresh_network

    recipe = read_recipe(recipe_path)
    network = fresh_network(recipe)
    rng = np.random.default_rng(2)
    pictures = rng.integers(0, 256, (24, 1, 32, 32, 3)).astype(np.uint8)
    answers = []
    for content in (
        convert(network, recipe),
        convert(network, recipe, examples=lambda: ([picture] for picture in pictures)),
    ):
        interpreter = Interpreter(model_content=content)
        served = interpreter.get_signature_runner()
        answers.append([served(image=picture) for picture in pictures[:8]])
        kinds = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert np.int8 in kinds
    for exact, quantised in zip(*answers, strict=True):
        assert np.abs(exact["landmarks"] - quantised["landmarks"]).max() < 0.02
        assert np.abs(exact["by_shape"] - quantised["by_shape"]).max() < 0.1
