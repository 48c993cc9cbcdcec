"""Recipes: those of the package are complete, and wrong ones are refused with the name of the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import REPLACED_KEYS, read_recipe, recipe_names

RECIPE = """task = "hand"
width = 32
height = 32
epochs = 2
"""


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('task = "hand"\nspeed = 3\n')
    with pytest.raises(ConfigError, match="speed"):
        read_recipe(path)


@pytest.mark.parametrize("key", sorted(REPLACED_KEYS))
def test_a_replaced_key_names_its_replacement(key: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(RECIPE + f"{key} = 1\n")
    with pytest.raises(ConfigError, match=f"{key}: replaced by"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("batch_size = 0", "batch_size: expected 1 or more, got 0"),
        ("ema_momentum = 1.0", "ema_momentum: expected 0 or more and less than 1"),
        ('assumed_absent = "wave"', "assumed_absent: expected one of"),
        ("degrade = { rain = 1.0 }", "expected the keys of a training recipe, got .*rain"),
        ('folder = "."', "expected the keys of a training recipe, got folder"),
        ("classes = 5", "classes: expected a list, got 5"),
        ('classes = "drinking"', "classes: expected a list, got 'drinking'"),
        ('classes = ["wave", 2]', r"classes\.1: expected a string, got 2"),
        ('heldout_groups = "anna"', "heldout_groups: expected a list, got 'anna'"),
        ('start_from = ["shipped"]', "start_from: expected a string, got \\['shipped'\\]"),
        ('loader_threads = "20"', "loader_threads: expected a whole number, got '20'"),
        ("batch_size = 2.5", "batch_size: expected a whole number, got 2.5"),
        ("seed = true", "seed: expected a whole number, got True"),
        ('learning_rate = "fast"', "learning_rate: expected a number, got 'fast'"),
        ('precision = "float31"', "precision: expected 'float32', .* got 'float31'"),
        ("heads_only = 1", "heads_only: expected a boolean, got 1"),
        ("degrade = 5", "degrade: expected a table, got 5"),
        ('degrade = { blur = "much" }', "blur: expected a number, got 'much'"),
        ("label_repeats = [1.0]", "label_repeats: expected a table"),
        ('label_repeats = { wave = "x" }', r"label_repeats\.wave: expected a number, got 'x'"),
    ],
)
def test_a_wrong_value_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(RECIPE + line + "\n")
    with pytest.raises(ConfigError, match=message):
        read_recipe(path)


@pytest.mark.parametrize("name", ["detector", "hand", "hand-finer", "face"])
def test_the_recipes_of_the_package_have_their_names(name: str) -> None:
    assert name in recipe_names()


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipes_of_the_package_are_complete(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.task == name.split("-")[0]
    if recipe.label_overrides:
        found = recipe.find("label_overrides", tmp_path)
        assert found is not None
        assert found.read_text(encoding="utf-8").startswith("{")


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        RECIPE + "learning_rate = 1\nclasses = []\n[label_repeats]\nnone = 2\n[degrade]\nblur = 0\n"
    )
    recipe = read_recipe(path)
    assert (recipe.learning_rate, recipe.classes, recipe.label_repeats) == (1.0, (), {"none": 2.0})
    assert recipe.degrade.blur == 0.0


def test_an_unknown_name_lists_the_recipes() -> None:
    with pytest.raises(ConfigError, match=r"expected a \.toml file or one of detector, .*, got foot"):
        read_recipe("foot")


def test_overrides_replace_keys_unless_they_are_none() -> None:
    recipe = read_recipe("hand", epochs=3, seed=None, name="hand-short")
    assert (recipe.epochs, recipe.seed, recipe.name) == (3, 1, "hand-short")


def test_a_named_file_is_looked_up_in_the_runs_beside_the_recipe_and_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, here = tmp_path / "runs", tmp_path / "here"
    runs.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    path = tmp_path / "run.toml"
    path.write_text(RECIPE + 'hard_negatives = "negatives.json"\n')
    recipe = read_recipe(path)
    with pytest.raises(ConfigError, match=r"hard_negatives: expected negatives\.json in .*runs"):
        recipe.find("hard_negatives", runs)
    assert recipe.find("start_from", runs) is None
    for folder in (here, tmp_path, runs):
        (folder / "negatives.json").write_text(folder.name)
        found = recipe.find("hard_negatives", runs)
        assert found is not None
        assert found.read_text(encoding="utf-8") == folder.name
