"""Only the shipped model is opened, or the one whose digest is set; nothing of another one is parsed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gifcue.cli.detector import detector_for
from gifcue.cli.serve import check_model
from gifcue.detect import DetectorConfig, metadata, open_detector
from gifcue.detect.detector import Backend
from gifcue.detect.metadata import LABEL_MAP, METADATA, read_metadata
from gifcue.detect.settings import DetectSettings
from gifcue.detect.shipped_model import SHIPPED_SHA256
from gifcue.detect.trust import UNCHECKED, check_saved_model, folder_digest
from gifcue.errors import ConfigError, ModelError

MODELS = Path(__file__).parents[2] / "models"
SOME = "ab" * 32


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the shipped model, as it is served."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in MODELS.iterdir():
        if path.name in (METADATA, LABEL_MAP) or path.name.endswith(".int8.tflite"):
            shutil.copyfile(path, folder / path.name)
    return folder


def replace_weights(model: Path) -> None:
    """What somebody does who can write to the folder: other weights, and the metadata that vouches for them."""
    path = model / "hand.int8.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    description = json.loads((model / METADATA).read_text())
    description["files"]["hand"]["int8"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (model / METADATA).write_text(json.dumps(description))


def swap_labels(model: Path) -> None:
    path = model / LABEL_MAP
    path.write_text(
        path.read_text().replace("smile", "-").replace("neutral", "smile").replace("-", "neutral")
    )


def lower_a_threshold(model: Path) -> None:
    description = json.loads((model / METADATA).read_text())
    description["thresholds"]["wave"] = 0.01
    (model / METADATA).write_text(json.dumps(description))


def digest_of(model: Path) -> str:
    return read_metadata(model, "litert", sha256=UNCHECKED).info.sha256


def test_the_digest_in_the_code_is_that_of_the_shipped_model() -> None:
    assert digest_of(MODELS) == SHIPPED_SHA256, "run 'make model-digest' after a change of models/"


def test_the_digest_is_the_one_that_the_guide_computes() -> None:
    listed = subprocess.run(
        ["sha256sum", LABEL_MAP, METADATA], cwd=MODELS, capture_output=True, check=True
    ).stdout
    assert hashlib.sha256(listed).hexdigest() == SHIPPED_SHA256


def test_a_copy_of_the_shipped_model_is_opened_from_anywhere(model: Path) -> None:
    assert open_detector(DetectorConfig(model)).info.sha256 == SHIPPED_SHA256
    check_model(DetectSettings(model_dir=model))


@pytest.mark.parametrize("change", [replace_weights, swap_labels, lower_a_threshold])
@pytest.mark.parametrize("expected", [None, SHIPPED_SHA256, SOME])
def test_another_model_is_refused(model: Path, change: Callable[[Path], None], expected: str | None) -> None:
    change(model)
    for refuse in (
        lambda: open_detector(DetectorConfig(model, model_sha256=expected)),
        lambda: check_model(DetectSettings(model_dir=model, model_sha256=expected)),
    ):
        with pytest.raises(ModelError) as caught:
            refuse()
        assert digest_of(model) in str(caught.value)
        assert (expected or SHIPPED_SHA256) in str(caught.value)
        assert "detect.model_sha256" in str(caught.value)


@pytest.mark.parametrize("change", [replace_weights, swap_labels, lower_a_threshold])
def test_a_model_of_ones_own_is_opened_by_its_digest(model: Path, change: Callable[[Path], None]) -> None:
    change(model)
    own = digest_of(model)
    assert open_detector(DetectorConfig(model, model_sha256=own)).info.sha256 == own
    check_model(DetectSettings(model_dir=model, model_sha256=own))
    assert open_detector(DetectorConfig(model, model_sha256=UNCHECKED)).info.sha256 == own


def test_a_refused_model_is_not_parsed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / METADATA).write_bytes(b"{")

    def parse(*_: object) -> None:
        raise AssertionError("expected nothing to be parsed")

    monkeypatch.setattr("gifcue.detect.metadata.json.loads", parse)
    monkeypatch.setattr(metadata, "parse_label_map", parse)
    with pytest.raises(ModelError, match="got sha256"):
        open_detector(DetectorConfig(model))


def test_damaged_weights_are_refused_before_the_runtime_sees_them(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_edge_litert import interpreter

    seen: list[object] = []
    monkeypatch.setattr(interpreter, "Interpreter", lambda **given: seen.append(given))
    content = bytearray((model / "detector.int8.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (model / "detector.int8.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"detector\.int8\.tflite: expected sha256"):
        open_detector(DetectorConfig(model))
    assert seen == []


def test_a_repaired_model_is_opened_again(model: Path) -> None:
    content = (model / "face.int8.tflite").read_bytes()
    (model / "face.int8.tflite").write_bytes(content[:1000])
    with pytest.raises(ModelError, match=r"face\.int8\.tflite"):
        open_detector(DetectorConfig(model))
    (model / "face.int8.tflite").write_bytes(content)
    assert open_detector(DetectorConfig(model)).info.labels


@pytest.mark.parametrize("name", ["../face.int8.tflite", "/etc/hostname"])
def test_weights_lie_in_the_folder(model: Path, name: str) -> None:
    description = json.loads((model / METADATA).read_text())
    description["files"]["face"]["int8"]["path"] = name
    (model / METADATA).write_text(json.dumps(description))
    with pytest.raises(ModelError, match="expected the name of a file in the folder"):
        read_metadata(model, "litert", "int8", sha256=UNCHECKED)


@pytest.mark.parametrize("content", [b"[" * 200_000, b"[]", b"\xff", b"{}", b'{"format": 1, "files": 3}'])
def test_metadata_that_makes_no_sense_is_a_model_error(model: Path, content: bytes) -> None:
    (model / METADATA).write_bytes(content)
    with pytest.raises(ModelError, match=r"metadata\.json: expected"):
        read_metadata(model, "litert", sha256=UNCHECKED)


def test_a_description_is_bounded(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_DESCRIPTION_BYTES", 100)
    with pytest.raises(ModelError, match="expected at most 100 bytes, got more"):
        read_metadata(model, "litert")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A SavedModel from elsewhere, as far as it matters before it is opened."""
    folder = tmp_path / "foreign"
    (folder / "saved_model" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"graph")
    (folder / "saved_model" / "variables" / "ä").write_bytes(b"values")
    return folder


@pytest.mark.parametrize("expected", [None, SOME, SHIPPED_SHA256])
def test_a_saved_model_is_refused_unless_it_is_the_one_asked_for(
    foreign: Path, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorflow = pytest.importorskip("tensorflow")

    def load(*_: object) -> None:
        raise AssertionError("expected TensorFlow not to see the folder")

    monkeypatch.setattr(tensorflow.saved_model, "load", load)
    reason = "a SavedModel is a program" if expected is None else f"expected sha256 {expected} as set"
    for refuse in (
        lambda: open_detector(DetectorConfig(foreign, "savedmodel", model_sha256=expected)),
        lambda: check_model(DetectSettings(model_dir=foreign, backend="savedmodel", model_sha256=expected)),
        lambda: detector_for(foreign, "savedmodel", sha256=expected),
    ):
        with pytest.raises(ModelError, match=reason) as caught:
            refuse()
        assert folder_digest(foreign) in str(caught.value)


def test_a_saved_model_passes_by_its_digest(foreign: Path) -> None:
    assert check_saved_model(foreign, folder_digest(foreign)) == folder_digest(foreign)
    assert check_saved_model(foreign, UNCHECKED) == folder_digest(foreign)


def test_the_digest_of_a_folder_is_the_one_that_the_guide_computes(foreign: Path) -> None:
    command = "find * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    done = subprocess.run(["sh", "-c", command], cwd=foreign, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == folder_digest(foreign)


def test_every_file_of_a_folder_counts(foreign: Path) -> None:
    before = folder_digest(foreign)
    added = foreign / "saved_model" / "assets.extra"
    added.write_bytes(b"")
    assert folder_digest(foreign) != before
    added.unlink()
    assert folder_digest(foreign) == before
    (foreign / "saved_model" / "saved_model.pb").rename(foreign / "saved_model" / "other.pb")
    assert folder_digest(foreign) != before


def test_a_folder_holds_files_only(foreign: Path, tmp_path: Path) -> None:
    pipe = foreign / "saved_model" / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ModelError, match=r"expected folders and files, got .*pipe"):
        folder_digest(foreign)
    pipe.unlink()
    (foreign / "saved_model" / "assets").symlink_to(tmp_path)
    with pytest.raises(ModelError, match=r"got the link .*assets"):
        folder_digest(foreign)


def test_a_folder_of_too_many_files_and_none_at_all_are_refused(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="expected a readable SavedModel"):
        folder_digest(tmp_path / "none")
    monkeypatch.setattr("gifcue.detect.trust.MAX_FILES", 1)
    with pytest.raises(ModelError, match="at most 1 files"):
        folder_digest(foreign)


def test_a_command_opens_a_litert_model_that_its_caller_names(model: Path) -> None:
    lower_a_threshold(model)
    assert detector_for(model, "litert").info.thresholds["wave"] == 0.01
    with pytest.raises(ModelError, match=f"expected sha256 {SOME}"):
        detector_for(model, "litert", sha256=SOME)


@pytest.mark.parametrize("value", ["ab", "AB" * 32, "any", ""])
@pytest.mark.parametrize("backend", ["litert", "savedmodel"])
def test_a_digest_that_is_none_is_named(value: str, backend: Backend) -> None:
    with pytest.raises(ConfigError, match="model_sha256: expected 64 digits"):
        DetectorConfig(MODELS, backend, model_sha256=value)
    with pytest.raises(ValueError, match="expected 64 digits"):
        DetectSettings(model_sha256=value)
