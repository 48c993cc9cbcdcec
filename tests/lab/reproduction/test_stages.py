"""The chain of the shipped weights, and what is wrong with others."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path
from unittest.mock import ANY

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.reproduction.lineage import trainings
from gifcue_lab.reproduction.stages import read_stages
from gifcue_lab.training.heldout import untrained
from gifcue_lab.training.recipe import SHIPPED, recipe_names
from gifcue_lab.training.samples import Photo

DOCUMENT = Path(__file__).parents[3] / "docs" / "reproducing.md"
RUN = '[[stages]]\nname = "a"\ntrain = "hand"\n'
SMALL = 'task = "{task}"\nwidth = 32\nheight = 32\nepochs = 1\n'
MODEL = '[[stages]]\nname = "model"\npack = { detector = "detector", hand = "hand", face = "face" }\nheads = ["a"]\n'
PINS = {
    "detector": "8c175c9d6f05df20",
    "hand": "52c10bcac27fced2",
    "face": "b8ae318631fb889a",
    "model": "3432d02dd2983981",
}
MODEL_OF_ONE = (
    "".join(f'[[stages]]\nname = "{name[0]}"\ntrain = "{name}"\n' for name in ("detector", "hand", "face"))
    + '[[stages]]\nname = "m"\npack = { detector = "d", hand = "h", face = "f" }\n'
)
OTHER = '[[stages]]\nname = "b"\ntrain = "hand-finer"\nstart_from = "a"\n'


def test_the_chain_trains_every_recipe_once_and_ends_in_a_model() -> None:
    stages = read_stages()
    trained = Counter(stage.name for stage in stages if stage.trains)
    assert trained == Counter(recipe_names())
    assert stages[-1].pack
    assert all(stage.hours > 0 for stage in stages if stage.trains)


def test_the_chain_starts_from_its_own_weights() -> None:
    assert not [stage.name for stage in read_stages() if stage.recipe and stage.recipe.start_from == SHIPPED]


def photographs(pattern: str) -> list[Photo]:
    """Photographs of a group that matches a pattern, enough for a share of them to be held out."""
    group = pattern.replace("*", "00")
    return [Photo(group, f"{group}/{number}", Path(), 1, 1) for number in range(100)]


def test_no_model_is_calibrated_on_people_of_an_earlier_training() -> None:
    """Each group that the chain names has photographs that no training in the model saw."""
    stages = {stage.name: stage for stage in read_stages()}
    for model in filter(lambda stage: stage.pack, stages.values()):
        recipes = [recipe for name in model.pack.values() if (recipe := stages[name].recipe)]
        common = set.intersection(*(set(recipe.heldout_groups) for recipe in recipes))
        assert model.groups or common
        seen = trainings(model.name, stages), trainings(model.pack["face"], stages)
        for patterns, recipes in zip((model.groups or sorted(common), model.heads), seen, strict=True):
            for pattern in patterns:
                assert any(untrained(recipes)(photo) for photo in photographs(pattern)), (model.name, pattern)


def test_the_chain_of_the_document_is_one(tmp_path: Path) -> None:
    section = (
        DOCUMENT.read_text(encoding="utf-8").partition("## A chain of your own")[2].partition("\n## ")[0]
    )
    example = "\n".join(line.strip() for line in section.splitlines() if line.startswith("    "))
    (tmp_path / "stages.toml").write_text(example)
    recipes = resources.files("gifcue_lab.training") / "recipes"
    for name in ("detector", "face", "hand", "hand-finer"):
        (tmp_path / f"{name}.toml").write_text((recipes / f"{name}.toml").read_text())
    stages = read_stages(tmp_path / "stages.toml")
    assert {"trains", "mean", "hard", "model"} == {stage.describe().split()[0] for stage in stages}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = 3", r"expected tables \[\[stages\]\]"),
        ("[[stages]", "expected a TOML file of stages"),
        ('[[stages]]\ntrain = "hand"\n', "expected a name of its own for each stage, got None"),
        ('[[stages]]\nname = "../a"\ntrain = "hand"\n', "expected a name of its own"),
        (RUN + RUN, "expected a name of its own for each stage, got 'a'"),
        (RUN + "speed = 2\n", "stage a: expected the keys .*, got speed"),
        ('[[stages]]\nname = "a"\n', "stage a: expected one of train, .*, got none"),
        (RUN + 'average = ["a", "b"]\n', "got train, average"),
        ('[[stages]]\nname = "b"\ntrain = "hand-finer"\n', "stage b: expected a stage before it, got 'hand'"),
        (RUN + '[[stages]]\nname = "m"\naverage = ["a"]\n', "expected two or more runs of one network"),
        (
            RUN + '[[stages]]\nname = "p"\nbase = "a"\npack = { hand = "a" }\n',
            "stage p: expected a model, got a",
        ),
        (
            MODEL_OF_ONE + '[[stages]]\nname = "p"\nbase = "m"\npack = { hand = "h" }\nheads = ["a"]\n',
            "stage p: expected no scores beside a base, and heads only with a face network",
        ),
        (RUN + '[[stages]]\nname = "n"\nhard_negatives = "a"\n', "stage n: expected a model, got a"),
        (
            RUN + '[[stages]]\nname = "p"\npack = { hand = "a" }\n',
            "expected detector, hand, face, or some of them and a base, got hand",
        ),
        (
            RUN + '[[stages]]\nname = "p"\npack = { detector = "a", hand = "a", face = "a" }\n',
            "expected a run of detector, got a",
        ),
        (RUN + "keep_network = 1\n", "stage a: keep_network: expected true or false, got 1"),
        (RUN + "keep_network = true\n", "stage a: expected heads beside keep_network, got none"),
        (RUN + 'scale_of = "b"\n', "stage a: expected heads beside scale_of, got none"),
        (
            RUN + '[[stages]]\nname = "f"\ntrain = "face-finer"\nstart_from = "a"\n',
            "expected to start from a run of face",
        ),
    ],
)
def test_a_mistake_names_the_stage(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_stages(path)


def test_a_fingerprint_changes_with_what_the_stage_depends_on(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(RUN + OTHER)
    before = {stage.name: stage.fingerprint for stage in read_stages(path)}
    # Hours say nothing about the result.
    path.write_text(RUN + "hours = 9\n" + OTHER)
    assert {stage.name: stage.fingerprint for stage in read_stages(path)} == before
    # A stage depends on the weights that it starts from.
    path.write_text(RUN.replace('"hand"', '"hand-curtains"') + 'start_from = "shipped"\n' + OTHER)
    after = {stage.name: stage.fingerprint for stage in read_stages(path)}
    assert all(after[name] != before[name] for name in ("a", "b"))


def small_chain(folder: Path, more: str = "") -> dict[str, str]:
    """The fingerprints of a chain of one run of each network and a model."""
    text = ""
    for task in ("detector", "hand", "face"):
        (folder / f"own-{task}.toml").write_text(SMALL.format(task=task))
        text += f'[[stages]]\nname = "{task}"\ntrain = "own-{task}.toml"\n'
    (folder / "stages.toml").write_text(text + MODEL + more)
    return {stage.name: stage.fingerprint for stage in read_stages(folder / "stages.toml")}


def test_a_folder_of_stages_outlives_an_upgrade(tmp_path: Path) -> None:
    """The fingerprints of the first release that had chains. A key that is new belongs into `_LATER_KEYS`."""
    plain = small_chain(tmp_path)
    assert plain == PINS
    assert small_chain(tmp_path, "keep_network = false\n") == plain
    assert small_chain(tmp_path, "keep_network = true\n") == {**plain, "model": ANY}
    assert small_chain(tmp_path, "keep_network = true\n")["model"] != plain["model"]
    assert small_chain(tmp_path, 'scale_of = ""\n') == plain
