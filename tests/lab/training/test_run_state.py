"""A run goes on only with what it was made of, and an unfinished one is told from a finished one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import SHIPPED, Recipe
from gifcue_lab.training.run_state import check_packable, check_same, made_of, read_state

RECIPE = Recipe(name="own", task="face", width=80, height=80, epochs=4, classes=("smile", "drinking"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "train" / "anna"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"a picture")
    (folder / "1.xml").write_text("<labels/>")
    return tmp_path / "data"


def write_run(runs: Path, made: dict[str, Any] | None, *, epoch: int = 4, **more: int) -> Path:
    folder = runs / "own" / f"checkpoint-{epoch:05d}"
    folder.mkdir(parents=True)
    state = {"epoch": epoch, "history": [], **more, **({} if made is None else {"made_of": made})}
    (folder / "state.json").write_text(json.dumps(state))
    return runs / "own"


def made_again(data: Path, runs: Path, **changes: Any) -> dict[str, Any]:
    return made_of(dataclasses.replace(RECIPE, **changes), data, runs)


def test_what_may_change_does_not_keep_a_run_from_going_on(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, made_again(data, tmp_path))
    check_same(run, made_again(data, tmp_path, name="other", epochs=9, evaluate_every=1, loader_threads=3))
    # Neither pictures nor labels: an editor's file, and the split that is evaluated at the end.
    (data / "train" / "anna" / "classes.txt").write_text("drinking")
    (data / "dev").mkdir()
    (data / "dev" / "1.xml").write_text("<labels/>")
    check_same(run, made_again(data, tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"own_units": 64, "start_from": SHIPPED},
            r"other settings \(own_units, start_from\); remove the folder",
        ),
        ({"learning_rate": 1e-4}, r"other settings \(learning_rate\)"),
        ({"heldout_groups": ("anna",)}, r"other settings \(heldout_groups\)"),
    ],
)
def test_other_settings_are_named(data: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    run = write_run(tmp_path, made_again(data, tmp_path))
    with pytest.raises(ConfigError, match=message):
        check_same(run, made_again(data, tmp_path, **changes))


@pytest.mark.parametrize(("name", "content"), [("1.jpg", "b picture"), ("1.xml", "<label/>"), ("2.xml", "")])
def test_other_pictures_and_labels_are_noticed(data: Path, tmp_path: Path, name: str, content: str) -> None:
    run = write_run(tmp_path, made_again(data, tmp_path))
    (data / "train" / "anna" / name).write_text(content)
    with pytest.raises(ConfigError, match=r"own: .* got one with other pictures, labels .* another name"):
        check_same(run, made_again(data, tmp_path))


def test_the_files_that_a_recipe_names_count(data: Path, tmp_path: Path) -> None:
    overrides, weights = tmp_path / "overrides.json", tmp_path / "model" / "weights.npz"
    weights.parent.mkdir()

    def made() -> list[str]:
        overridden = made_again(data, tmp_path, label_overrides="overrides.json")
        # The kept part of the network is that of the model; a run of a whole network has left its start behind.
        grown = made_again(data, tmp_path, start_from="model", new_labels_only=True, ema_momentum=0.0)
        whole = made_again(data, tmp_path, start_from="model")
        return [each["files"] for each in (overridden, grown, whole)]

    overrides.write_text("{}")
    weights.write_bytes(b"1")
    before = made()
    overrides.write_text("{ }")
    weights.write_bytes(b"2")
    after = made()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


def test_a_run_without_a_note_goes_on(data: Path, tmp_path: Path) -> None:
    made = made_again(data, tmp_path)
    check_same(tmp_path / "none", made)
    run = write_run(tmp_path, None, epoch=2)
    check_same(run, made)
    assert check_packable(RECIPE, tmp_path / "none") == ""
    (run / "checkpoint-00002" / "state.json").write_text("{")
    with pytest.raises(ConfigError, match="expected the state of a training"):
        read_state(run)


def test_without_pictures_nothing_is_compared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train: expected photographs with labels, got none"):
        made_of(RECIPE, tmp_path, tmp_path)


def test_an_unfinished_run_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path, None, epoch=2, evaluations_without_progress=3)
    assert "own is not finished: it has 2 of 4 epochs" in check_packable(RECIPE, run)
    # It stopped early.
    assert check_packable(dataclasses.replace(RECIPE, early_stopping_patience=3), run) == ""
    assert check_packable(dataclasses.replace(RECIPE, epochs=2), run) == ""


def test_a_run_of_other_labels_is_not_packed(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, made_again(data, tmp_path))
    assert check_packable(dataclasses.replace(RECIPE, learning_rate=1e-4), run) == ""
    with pytest.raises(ConfigError, match=r"other settings \(classes\); train first"):
        check_packable(dataclasses.replace(RECIPE, classes=("smile", "smoking")), run)


@pytest.mark.parametrize(
    ("trained", "packed", "key"),
    [
        ({}, {"margin": 1.7}, "margin"),
        ({"trained_groups": ("p0*", "p1*")}, {"trained_groups": ("p0*",)}, "trained_groups"),
        (
            {"new_labels_only": True, "ema_momentum": 0.0, "start_from": SHIPPED},
            {"start_from": SHIPPED},
            "new_labels_only",
        ),
        ({"heldout_groups": ("anna",)}, {"heldout_groups": ("anna", "ben")}, "heldout_groups"),
        ({}, {"heldout_photos": {"p5*": 0.2}}, "heldout_photos"),
        ({"heldout_photos": {"p5*": 0.2}}, {"heldout_photos": {"p5*": 0.3}}, "heldout_photos"),
        ({"heldout_photos": {"p5*": 0.2}}, {"heldout_photos": {"p5*": 0.2, "p6*": 0.1}}, "heldout_photos"),
    ],
)
def test_a_run_that_learned_what_its_recipe_holds_out_is_not_packed(
    data: Path, tmp_path: Path, trained: dict[str, Any], packed: dict[str, Any], key: str
) -> None:
    run = write_run(tmp_path, made_again(data, tmp_path, **trained))
    with pytest.raises(ConfigError, match=rf"other settings \({key}\); train first"):
        check_packable(dataclasses.replace(RECIPE, **packed), run)


def test_a_run_that_held_out_more_is_packed(data: Path, tmp_path: Path) -> None:
    made = made_again(data, tmp_path, heldout_groups=("anna", "ben"), heldout_photos={"p5*": 0.2, "p6*": 0.1})
    run = write_run(tmp_path, made)
    recipe = dataclasses.replace(RECIPE, heldout_groups=("ben",), heldout_photos={"p5*": 0.1})
    assert check_packable(recipe, run) == ""
    assert check_packable(RECIPE, run) == ""


def test_epochs_of_the_command_count(tmp_path: Path) -> None:
    """`train --epochs 2` is finished after two, whatever the recipe says."""
    assert check_packable(RECIPE, write_run(tmp_path, None, epoch=2, epochs=2)) == ""
    assert "it has 3 of 6 epochs" in check_packable(RECIPE, write_run(tmp_path, None, epoch=3, epochs=6))
