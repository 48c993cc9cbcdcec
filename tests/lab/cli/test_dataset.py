from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue_lab.cli.dataset import app
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for group in ("p1", "p2", "p3"):
        path = tmp_path / "in" / group / "a.jpg"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (120, 90)))
        write_voc(
            path.with_suffix(".xml"), Annotation("a.jpg", 120, 90, (LabelledObject("face", 9, 9, 50, 60),))
        )
    return tmp_path / "in"


def test_split_then_stats_then_check(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (data / "p3" / "b.jpg").write_bytes((data / "p3" / "a.jpg").read_bytes())
    ran = CliRunner().invoke(app, ["split", str(data), str(out), "--sides", "train=2,dev=1", "--seed", "4"])
    assert ran.exit_code == 0, ran.output
    assert "left out, because they have no XML file: 1 pictures" in ran.stderr
    assert "train: 2 pictures of 2 groups" in ran.stdout
    sides = json.loads((out / "split.json").read_text())["sides"]
    assert sorted(sides["train"]["groups"] + sides["dev"]["groups"]) == ["p1", "p2", "p3"]
    again = CliRunner().invoke(app, ["split", str(data), str(out), "--sides", "train=1,dev=2", "--seed", "9"])
    assert "expected a new or empty folder" in str(again.exception)
    assert json.loads((out / "split.json").read_text())["sides"] == sides
    ran = CliRunner().invoke(app, ["stats", str(out), "--json", "--chart", str(tmp_path / "labels.png")])
    assert json.loads(ran.stdout)["sides"]["dev"]["labels"]["face"]["boxes"] == 1
    assert (tmp_path / "labels.png").is_file()
    assert CliRunner().invoke(app, ["check", str(out)]).exit_code == 0


def test_check_names_the_file_and_fails(data: Path) -> None:
    (data / "p2/a.jpg").write_bytes(b"")
    ran = CliRunner().invoke(app, ["check", str(data)])
    assert ran.exit_code == 1
    assert "p2/a.jpg: unreadable_picture" in ran.stdout
    ran = CliRunner().invoke(app, ["check", str(data), "--json"])
    assert [found["file"] for found in json.loads(ran.stdout)] == ["p2/a.jpg"]


def test_pictures_without_xml_may_be_allowed(data: Path) -> None:
    (data / "p1" / "a.xml").unlink()
    ran = CliRunner().invoke(app, ["check", str(data)])
    assert (ran.exit_code, ran.stdout.count("missing_xml")) == (1, 1)
    ran = CliRunner().invoke(app, ["check", str(data), "--allow-missing-xml"])
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr.splitlines()[-2:] == ["1 pictures have no XML file", "no findings"]


def test_convert_writes_the_requested_format(data: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["convert", str(data), str(tmp_path / "coco.json"), "--to", "coco"])
    assert "3 pictures with 3 boxes" in ran.stdout
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 3


def test_autolabel_without_a_model_names_its_directory(data: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["autolabel", str(data), "--model", str(tmp_path / "none")])
    assert ran.exit_code == 1
    assert str(tmp_path / "none") in str(ran.exception)


@pytest.mark.parametrize(
    "options",
    [["--sides", "train"], ["--sides", "train=x"], ["--group-regex", "(p)", "--group-csv", "x.csv"]],
)
def test_wrong_options_are_mistakes_of_usage(data: Path, tmp_path: Path, options: list[str]) -> None:
    assert CliRunner().invoke(app, ["split", str(data), str(tmp_path / "out"), *options]).exit_code == 2
