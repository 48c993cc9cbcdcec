"""Thresholds and heads are fitted to nobody whom a training before them saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.reproduction.lineage import calibrated_on, heads_fitted_to, trainings
from gifcue_lab.reproduction.stages import Stage, read_stages
from gifcue_lab.training.samples import Photo

RECIPE = 'task = "{task}"\nwidth = 32\nheight = 32\nepochs = 1\n'
STAGES = """
[[stages]]
name = "detector"
train = "detector-0.toml"
[[stages]]
name = "hand"
train = "hand-0.toml"
[[stages]]
name = "face"
train = "face-0.toml"
[[stages]]
name = "face-later"
train = "face-later.toml"
start_from = "face"
[[stages]]
name = "face-mean"
average = ["face-later", "face"]
[[stages]]
name = "model"
pack = { detector = "detector", hand = "hand", face = "face-mean" }
groups = ["p*"]
heads = ["p5*"]
"""
OLD = 'trained_groups = ["p0*"]\nheldout_groups = ["p001"]\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for group in ("p000", "p001", "p300", "p500", "q"):
        (tmp_path / "data" / "train" / group).mkdir(parents=True)
    return tmp_path / "data"


def chain(folder: Path, **recipes: str) -> dict[str, Stage]:
    """A chain whose recipes train on p0*, and hold out p001, except for those that are given."""
    for name, task in (
        ("detector-0", "detector"),
        ("hand-0", "hand"),
        ("face-0", "face"),
        ("face-later", "face"),
    ):
        more = recipes.get(name.replace("-0", "").replace("-", "_"), OLD)
        (folder / f"{name}.toml").write_text(RECIPE.format(task=task) + more)
    (folder / "stages.toml").write_text(STAGES)
    return {stage.name: stage for stage in read_stages(folder / "stages.toml")}


def photos(group: str) -> list[Photo]:
    return [Photo(group, f"{group}/{number}", Path(), 1, 1) for number in range(200)]


def test_a_mean_knows_all_trainings_before_it(tmp_path: Path) -> None:
    stages = chain(tmp_path)
    assert sorted(each.name for each in trainings("face-mean", stages)) == ["face", "face-later"]
    assert sorted(each.name for each in trainings("model", stages)) == [
        "detector",
        "face",
        "face-later",
        "hand",
    ]


def test_a_share_that_was_held_out_is_all_that_is_new(tmp_path: Path, data: Path) -> None:
    """The last part of the mean, whose recipe the mean has, did not train on p5*: the part before it did."""
    stages = chain(tmp_path, face_later='heldout_groups = ["p001"]\nheldout_photos = { "p5*" = 0.2 }\n')
    is_new, for_heads = (choose(stages["model"], stages, data) for choose in (calibrated_on, heads_fitted_to))
    assert not any(map(is_new, photos("p000") + photos("p300") + photos("q")))
    assert all(map(is_new, photos("p001")))
    for choose in (is_new, for_heads):
        assert 0.1 < sum(map(choose, photos("p500"))) / 200 < 0.3
    assert not any(map(for_heads, photos("p001")))


def test_a_training_before_the_start_counts(tmp_path: Path, data: Path) -> None:
    """The recipe of the run that is packed says nothing of the run that it started from."""
    stages = chain(tmp_path, face='trained_groups = ["p5*"]\n')
    model = replace(stages["model"], pack={**stages["model"].pack, "face": "face-later"})
    stages["model"] = model
    is_new = calibrated_on(model, stages, data)
    assert not any(map(is_new, photos("p500")))
    assert all(map(is_new, photos("p300")))


def test_heads_are_new_to_the_face_network_alone(tmp_path: Path, data: Path) -> None:
    stages = chain(tmp_path, hand="")
    assert all(map(heads_fitted_to(stages["model"], stages, data), photos("p500")))
    assert not any(map(calibrated_on(stages["model"], stages, data), photos("p500")))


def test_a_pattern_without_a_group_is_named(tmp_path: Path, data: Path) -> None:
    stages = chain(tmp_path)
    (data / "train" / "p500").rmdir()
    with pytest.raises(ConfigError, match=r"train for each pattern, got none for p5\*"):
        heads_fitted_to(stages["model"], stages, data)
