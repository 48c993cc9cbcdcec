"""A chain makes what is missing, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from gifcue.errors import ConfigError
from gifcue_lab.reproduction.run import NOTE, reproduce
from gifcue_lab.reproduction.stages import read_stages
from gifcue_lab.training.samples import Photo
from tests.support.training_photographs import write_photographs

RECIPE = """
task = "hand"
width = 32
height = 32
epochs = 1
batch_size = 8
seed = {seed}
classes = ["wave"]
channels = [8, 8, 16, 16]
blocks = [1, 1, 1]
warmup_steps = 1
precision = "float32"
heads_only = {heads}
"""
STAGES = """
[[stages]]
name = "first"
train = "one.toml"
hours = 0.5

[[stages]]
name = "second"
train = "two.toml"
start_from = "first"
hours = 0.25

[[stages]]
name = "mean"
average = ["first", "second"]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, a chain, and the first stage already made by it."""
    home = tmp_path_factory.mktemp("chain")
    write_photographs(home / "data")
    (home / "one.toml").write_text(RECIPE.format(seed=1, heads="false"))
    (home / "two.toml").write_text(RECIPE.format(seed=2, heads="true"))
    (home / "stages.toml").write_text(STAGES)
    run(home, until="first")
    return home


def run(home: Path, until: str | None = None) -> list[str]:
    lines: list[str] = []
    stages = read_stages(home / "stages.toml")
    reproduce(stages, home / "data", home / "out", until=until, report=lines.append)
    return lines


def weights(home: Path, name: str) -> list[np.ndarray]:
    from gifcue_lab.training.recipe import read_recipe
    from gifcue_lab.training.weights import load_run

    network = load_run(read_recipe(home / "one.toml"), home / "out" / name)
    return [np.array(value) for value in network.get_weights()]


@pytest.mark.timeout(240)
def test_it_goes_on_where_it_stopped(home: Path) -> None:
    result = home / "out" / "first" / "averaged.weights.h5"
    made = result.stat().st_mtime_ns
    lines = run(home)
    assert lines[0] == "3 stages, 1 of them done; about 0.2 hours on two cores are left"
    assert "stage 1 of 3, first: done" in lines
    assert any(
        line.startswith("stage 2 of 3, second: trains hand from first, seed 2, 1 epochs") for line in lines
    )
    assert result.stat().st_mtime_ns == made
    first, second, mean = (weights(home, name) for name in ("first", "second", "mean"))
    for one, other, middle in zip(first, second, mean, strict=True):
        np.testing.assert_allclose(middle, (one + other) / 2, atol=1e-6)
    # The second stage trains the heads alone: no convolution changes.
    changed = [one.ndim for one, other in zip(first, second, strict=True) if not np.array_equal(one, other)]
    assert changed
    assert 4 not in changed
    # Once more: everything is there.
    assert [line for line in run(home) if "done" in line and "stage" in line[:6]] == [
        f"stage {number} of 3, {name}: done" for number, name in enumerate(("first", "second", "mean"), 1)
    ]
    keras.backend.clear_session()


def test_an_interrupted_stage_is_not_done(home: Path) -> None:
    note = home / "out" / "first" / NOTE
    before = note.read_text()
    note.write_text(json.dumps({**json.loads(before), "done": False}))
    assert run(home, until="first")[0].startswith("1 stages, 0 of them done")
    assert json.loads(note.read_text()) == json.loads(before)


def test_a_stage_of_other_settings_is_not_taken_for_this_one(home: Path) -> None:
    (home / "one.toml").write_text(RECIPE.format(seed=3, heads="false"))
    with pytest.raises(ConfigError, match="first: expected first of the same recipes, got one"):
        run(home)
    (home / "one.toml").write_text(RECIPE.format(seed=1, heads="false"))


def test_an_unknown_last_stage_lists_the_stages(home: Path) -> None:
    with pytest.raises(ConfigError, match="--until: expected one of first, second, mean, got third"):
        run(home, until="third")


def test_groups_that_no_photograph_has_are_an_error(home: Path) -> None:
    (home / "none.toml").write_text(RECIPE.format(seed=1, heads="false") + 'trained_groups = ["q*"]\n')
    (home / "none-stages.toml").write_text('[[stages]]\nname = "none"\ntrain = "none.toml"\n')
    stages = read_stages(home / "none-stages.toml")
    with pytest.raises(
        ConfigError, match=r"trained_groups: expected patterns of groups .* got q\*, which match none"
    ):
        reproduce(stages, home / "data", home / "out", report=lambda line: None)


def test_a_model_is_fitted_as_its_stage_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs stand as done: what they are made of makes no difference here."""
    from gifcue_lab.export import calibration, pack
    from gifcue_lab.export.heads import fit

    chain = ""
    for task in ("detector", "hand", "face"):
        (home / f"new-{task}.toml").write_text(
            f'task = "{task}"\nwidth = 32\nheight = 32\nepochs = 1\nheldout_photos = {{ "p*" = 0.5 }}\n'
        )
        chain += f'[[stages]]\nname = "{task}"\ntrain = "new-{task}.toml"\n'
    chain += '[[stages]]\nname = "model"\ngroups = ["p*"]\nheads = ["p1"]\nkeep_network = true\n'
    chain += 'pack = { detector = "detector", hand = "hand", face = "face" }\n'
    (home / "model-stages.toml").write_text(chain)
    stages = read_stages(home / "model-stages.toml")
    for stage in stages[:3]:
        (home / "out" / stage.name).mkdir(parents=True)
        (home / "out" / stage.name / NOTE).write_text(
            json.dumps({"fingerprint": stage.fingerprint, "done": True})
        )
    called: dict[str, tuple[Callable[[Photo], bool], dict[str, object]]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda place, data, is_new, **options: called.update({name: (is_new, options)})

    monkeypatch.setattr(pack, "pack", lambda *args, **options: None)
    monkeypatch.setattr(calibration, "calibrate", note("calibrate"))
    monkeypatch.setattr(fit, "fit_heads", note("fit_heads"))
    reproduce(stages, home / "data", home / "out", report=lambda line: None)
    assert called["fit_heads"][1]["keep_network"] is True
    assert called["fit_heads"][1]["scale_of"] is None
    photos = {
        group: [Photo(group, f"{group}/{number}", home, 1, 1) for number in range(40)]
        for group in ("p0", "p1")
    }
    for name, groups in (("calibrate", {"p0", "p1"}), ("fit_heads", {"p1"})):
        is_new = called[name][0]
        for group in photos:
            assert (0 < sum(map(is_new, photos[group])) < 40) == (group in groups)
