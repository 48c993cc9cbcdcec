"""The shipped networks, on public pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gifcue.detect import DetectorConfig, flatten, open_detector
from gifcue.errors import ConfigError, ModelError

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut(), np.uint8)


def place(portrait: np.ndarray, side: int, x: int, y: int) -> np.ndarray:
    """The portrait as a square of `side` pixels in a 640x360 frame."""
    import cv2

    frame = np.full((360, 640, 3), 90, np.uint8)
    small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    tall, wide = min(side, 360 - y), min(side, 640 - x)
    frame[y : y + tall, x : x + wide] = small[:tall, :wide]
    return frame


@pytest.mark.parametrize(("side", "x", "y"), [(360, 0, 0), (360, 140, 0), (360, 280, 0), (300, 200, 40)])
def test_a_smile_is_found_where_the_face_is(portrait: np.ndarray, side: int, x: int, y: int) -> None:
    detector = open_detector(DetectorConfig(MODELS))
    found = flatten(detector.detect([place(portrait, side, x, y)])[0], detector.info.thresholds)
    labels = [item.label for item in found]
    assert "face" in labels
    assert "smile" in labels
    face = next(item.box for item in found if item.label == "face")
    # In the picture of 512 pixels her face is at about x 180 to 275, y 65 to 185.
    middle_y, middle_x = face.center
    assert abs(middle_x * 640 - (x + side * 0.44)) < side * 0.06
    assert abs(middle_y * 360 - (y + side * 0.24)) < side * 0.07


def test_an_empty_frame_has_no_detections() -> None:
    detector = open_detector(DetectorConfig(MODELS))
    assert flatten(detector.detect([np.full((360, 640, 3), 90, np.uint8)])[0], detector.info.thresholds) == []


def test_labels_and_thresholds_come_from_the_files() -> None:
    info = open_detector(DetectorConfig(MODELS)).info
    assert set(info.thresholds) == set(info.labels)
    assert {label for labels in info.attributes.values() for label in labels} | {"face", "hand"} == set(
        info.labels
    )


def test_tensorflow_is_never_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from gifcue.detect import DetectorConfig, open_detector\n"
        f"open_detector(DetectorConfig(Path({str(MODELS)!r}))).warm()\n"
        "assert not {'tensorflow', 'keras', 'gifcue_lab.training'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for path in MODELS.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "hand.int8.tflite").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"hand\.int8\.tflite: expected sha256"):
        open_detector(DetectorConfig(tmp_path))
    # Only the files of the chosen precision are checked.
    assert open_detector(DetectorConfig(tmp_path, precision="float")).info.labels


def test_a_folder_without_a_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"metadata\.json"):
        open_detector(DetectorConfig(tmp_path))


@pytest.mark.parametrize(
    "wrong", [{"threads": 0}, {"max_hands": 0}, {"backend": "other"}, {"model_sha256": "ab"}]
)
def test_a_wrong_setting_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        DetectorConfig(MODELS, **wrong)  # type: ignore[arg-type]
