"""The weights that a run starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from gifcue.detect.settings import default_model_dir
from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import SHIPPED, Recipe
from gifcue_lab.training.shapes import read_shapes
from gifcue_lab.training.start import load_start
from gifcue_lab.training.weights import fresh_network, load_networks, load_run


def face_recipe(classes: tuple[str, ...], blocks: tuple[int, ...] | None = None) -> Recipe:
    shape = read_shapes(default_model_dir())["face"]
    return Recipe(
        name="face",
        task="face",
        width=shape.width,
        height=shape.height,
        classes=classes,
        points=shape.points,
        channels=shape.channels,
        blocks=blocks or shape.blocks,
        epochs=1,
        start_from=SHIPPED,
    )


def test_the_shipped_weights_are_copied_whole(tmp_path: Path) -> None:
    recipe = face_recipe(("smile", "neutral", "thinking"))
    network, lines = fresh_network(recipe), list[str]()
    start = recipe.start(tmp_path)
    assert start == default_model_dir()
    load_start(network, recipe, start, report=lines.append)
    shipped = load_networks(default_model_dir())["face"]
    assert not lines
    assert all(
        np.array_equal(mine, other)
        for mine, other in zip(network.get_weights(), shipped.get_weights(), strict=True)
    )


def test_with_other_classes_only_those_are_fresh() -> None:
    recipe, lines = face_recipe(("smile", "drinking_coffee")), list[str]()
    network = fresh_network(recipe)
    load_start(network, recipe, default_model_dir(), report=lines.append)
    assert lines == [
        "face: fresh weights in by_shape, by_sight for what the model does not have: drinking_coffee"
    ]
    shipped = load_networks(default_model_dir())["face"]
    picture = np.random.default_rng(1).integers(0, 255, (1, *network.input_shape[1:])).astype(np.uint8)
    mine, other = network.predict(picture, verbose=0), shipped.predict(picture, verbose=0)
    assert np.allclose(mine["landmarks"], other["landmarks"], atol=1e-5)
    # None of them, and the smile.
    assert np.allclose(mine["by_sight"][:, :2], other["by_sight"][:, :2], atol=1e-4)
    assert mine["by_sight"].shape == (1, 3)


def test_another_size_of_network_is_refused(tmp_path: Path) -> None:
    recipe = face_recipe(("smile",), blocks=(1, 1, 1))
    with pytest.raises(ConfigError, match="channels and blocks must be those of the model"):
        load_start(fresh_network(recipe), recipe, default_model_dir())


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    recipe = face_recipe(("smile",))
    with pytest.raises(ConfigError, match=r"expected a finished run .* or a model .* got neither"):
        load_start(fresh_network(recipe), recipe, tmp_path)


def test_a_run_that_is_not_there_is_to_be_trained_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own: expected a run .* got none; `gifcue-lab train` makes it"):
        load_run(face_recipe(("smile",)), tmp_path / "own")
