"""What packing says before it reads any weights."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from gifcue.errors import ConfigError
from gifcue_lab.cli.app import app
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.export.formats import export
from gifcue_lab.export.pack import pack
from gifcue_lab.training.recipe import Recipe
from tests.support.commands import command_of

FACE = Recipe(name="own", task="face", width=80, height=80, epochs=4, classes=("smile",))


def test_a_single_network_needs_a_base(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got none for detector, hand; --base shipped takes these"):
        pack([FACE], {"face": tmp_path / "own"}, tmp_path, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_an_unfinished_run_is_told_and_a_missing_one_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "own" / "checkpoint-00001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text('{"epoch": 1}')
    lines: list[str] = []
    with pytest.raises(ConfigError, match=r"own: expected a run .* got none"):
        pack(
            [FACE],
            {"face": tmp_path / "own"},
            tmp_path,
            tmp_path / "mine",
            base=tmp_path,
            report=lines.append,
        )
    assert len(lines) == 1
    assert "is not finished: it has 1 of 4 epochs" in lines[0]


def test_without_held_out_photographs_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('task = "face"\nwidth = 80\nheight = 80\nepochs = 1\n')
    folder = tmp_path / "data" / "train" / "anna"
    folder.mkdir(parents=True)
    write_voc(folder / "1.xml", Annotation("1.jpg", 120, 90, (LabelledObject("face", 10, 10, 50, 60),)))
    result = command_of(app, "gifcue-lab")(
        "pack", tmp_path / "own.toml", "--data", tmp_path / "data", "--runs", tmp_path, "--base", "shipped",
        "--model", tmp_path / "mine",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "expected photographs to fit to that no network was trained on, got none" in " ".join(
        result.output.split()
    )
    assert not (tmp_path / "mine").exists()


def test_int8_names_the_option_of_the_photographs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data: expected photographs"):
        export(tmp_path, tmp_path / "out")
