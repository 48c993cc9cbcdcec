from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.cli.evaluate import app
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.landmarks import write_landmarks
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.evaluation.run import run_detector
from gifcue_lab.evaluation.truth import read_truth

THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.6}
FACE = LabelledObject("face", 320, 180, 640, 540)


class OneFace:
    """Finds the same smiling face in every frame, and records the sizes of the frames."""

    info = ServedModel("one-face", "3", "test", tuple(THRESHOLDS), THRESHOLDS, 64, 64)

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def warm(self) -> None: ...

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        self.seen.extend(frame.shape for frame in frames)
        return [[Region("face", Box(0.25, 0.25, 0.75, 0.5), 0.9, {"smile": 0.8})] for _ in frames]

    def close(self) -> None: ...


@pytest.fixture
def data(tmp_path: Path) -> Path:
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    for name, expression in (("p1/a", "smile"), ("p1/b", "neutral"), ("p2/c", "smile")):
        path = tmp_path / "dev" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
        objects = (FACE, LabelledObject(expression, *FACE.box))
        write_voc(path.with_suffix(".xml"), Annotation(path.name, 1280, 720, objects))
    return tmp_path


def test_frames_are_as_large_as_served_ones(data: Path) -> None:
    detector, truth = OneFace(), read_truth(data, "dev")
    ticks = itertools.count(0.0, 0.002)
    found = run_detector(detector, truth, clock=lambda: next(ticks))
    assert set(detector.seen) == {(360, 640, 3)}
    assert found.pictures["p1/a.jpg"].elapsed_ms == pytest.approx(2.0)
    run_detector(detector, truth, clock=lambda: 0.0, as_served=False)
    assert detector.seen[-1] == (720, 1280, 3)


def test_a_detector_and_its_saved_detections_give_the_same_report(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend, precision, sha256: OneFace()
    )
    saved, report = tmp_path / "found.json", tmp_path / "report"
    common = ["images", str(data), "--split", "dev", "--json"]
    ran = CliRunner().invoke(app, [*common, "--save-detections", str(saved), "--report", str(report)])
    assert ran.exit_code == 0, ran.output
    first = json.loads(ran.stdout)
    smile = first["labels"]["smile"]
    assert (smile["right"], smile["wrong"], smile["missed"]) == (2, 1, 0)
    assert first["labels"]["face"]["ap50"] == 1.0
    assert json.loads((report / "report.json").read_text()) == first
    for name in ("precision-recall.png", "confusion.png", "groups.png", "mistakes.jpg"):
        picture = cv2.imread(str(report / name))
        assert picture is not None
        assert picture.std() > 1
    again = CliRunner().invoke(app, [*common, "--detections", str(saved)])
    second = json.loads(again.stdout)
    # A file of detections does not say how its thresholds were chosen.
    unlike = dict.fromkeys(("detector", "timing", "thresholds_chosen_on", "thresholds_saw_these_pictures"), 0)
    assert {**second, **unlike} == {**first, **unlike}
    stricter = CliRunner().invoke(app, [*common, "--detections", str(saved), "--threshold", "smile=0.9"])
    assert json.loads(stricter.stdout)["labels"]["smile"]["missed"] == 2


class OwnLabels(OneFace):
    """Knows one label of its own, and more labels than a row of charts holds."""

    info = ServedModel(
        "own", "1", "test", (), {}, 64, 64, {"face": ("drinking", "smoking"), "hand": ("fist",)}
    )

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [[Region("face", Box(0.25, 0.25, 0.75, 0.5), 0.9, {"drinking": 0.8})] for _ in frames]


def test_labels_of_ones_own_are_reported(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("p1/a", "p2/c"):
        objects = (FACE, LabelledObject("drinking", *FACE.box))
        write_voc(tmp_path / "dev" / f"{name}.xml", Annotation(f"{name[3:]}.jpg", 1280, 720, objects))
    monkeypatch.setattr(
        "gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend, precision, sha256: OwnLabels()
    )
    command = ["images", str(data), "--split", "dev", "--report", str(tmp_path / "report")]
    text = CliRunner().invoke(app, command, env={"COLUMNS": "160"})
    assert text.exit_code == 0, text.output
    assert "smoking" in text.stdout
    assert "does not know, and which count as none of its own: 1 neutral" in text.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert list(report["labels"]) == ["face", "hand", "drinking", "smoking", "fist"]
    assert (report["labels"]["drinking"]["right"], report["labels"]["drinking"]["wrong"]) == (2, 1)
    assert cv2.imread(str(tmp_path / "report" / "precision-recall.png")) is not None


def test_the_text_names_every_label(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend, precision, sha256: OneFace()
    )
    result = CliRunner().invoke(app, ["images", str(data), "--split", "dev"], env={"COLUMNS": "160"}).stdout
    assert "one-face 3 test: 3 pictures of 2 groups" in result
    for word in ("thumbs_up", "false gestures on frames without hands", "0 of 3", "time a frame"):
        assert word in result


def test_a_wrong_threshold_is_a_mistake_of_usage(data: Path) -> None:
    result = CliRunner().invoke(app, ["images", str(data), "--threshold", "smile:0.9"])
    assert result.exit_code == 2
    assert "label=0.6" in result.output


def test_the_landmarks_of_a_model_are_no_measure_of_errors(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend, precision, sha256: OneFace()
    )
    write_landmarks(OneFace(), data / "dev", (1, 2))
    result = CliRunner().invoke(app, ["images", str(data), "--split", "dev", "--json"])
    assert json.loads(result.stdout)["landmarks"] is None
    assert "no landmark errors: landmarks.npz holds the landmarks of one-face 3" in result.stderr


def test_parts_intervals_and_markdown(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend, precision, sha256: OneFace()
    )
    parts = tmp_path / "parts.toml"
    parts.write_text('[parts]\nfirst = ["p1"]\n')
    common = ["images", str(data), "--split", "dev", "--parts", str(parts), "--part", "rest=p2..p9"]
    found = json.loads(CliRunner().invoke(app, [*common, "--json", "--resamples", "100"]).stdout)
    assert (found["parts"]["first"]["pictures"], found["parts"]["rest"]["pictures"]) == (2, 1)
    assert found["labels"]["smile"]["intervals"]["f1"] == [0.6667, 1.0]
    assert found["bootstrap"]["resamples"] == 100
    printed = CliRunner().invoke(app, [*common, "--markdown", "--resamples", "0"]).stdout
    assert "| smile | 0.800 (2) | 0.667 (1) | 1.000 (1) |" in printed
    wrong = CliRunner().invoke(app, [*common, "--part", "nobody=z*"])
    assert "part nobody: expected a group that matches z*" in str(wrong.exception)
    assert CliRunner().invoke(app, [*common, "--markdown", "--json"]).exit_code == 2
