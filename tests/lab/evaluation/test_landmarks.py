from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.landmarks import Teacher, landmark_errors, read_teacher
from gifcue_lab.evaluation.predictions import Prediction, Predictions
from gifcue_lab.evaluation.truth import TruthPicture

SIZE = np.array([640.0, 360.0])
HAND = np.stack([np.linspace(100, 200, 21), np.linspace(50, 100, 21)], axis=1)


@pytest.fixture
def teacher(tmp_path: Path) -> Teacher:
    np.savez(
        tmp_path / "landmarks.npz",
        hand_file=np.array(["p/a", "p/b"]),
        hand_xyz=np.stack([np.pad(HAND, ((0, 0), (0, 1)))] * 2).astype(np.float16),
        face_file=np.array(["p/a"]),
        face_xy=np.zeros((1, 5, 2), np.float16),
    )
    found = read_teacher(tmp_path)
    assert found is not None
    return found


def predictions(*regions: Region) -> Predictions:
    return Predictions({}, {"hand": 0.5}, {"p/a.jpg": Prediction((), regions), "p/b.jpg": Prediction(())})


def hand(shift_px: float, score: float = 0.9) -> Region:
    points = ((HAND + np.array([shift_px, 0.0])) / SIZE).astype(np.float32)
    (xmin, ymin), (xmax, ymax) = points.min(axis=0), points.max(axis=0)
    return Region("hand", Box(float(ymin), float(xmin), float(ymax), float(xmax)), score, {}, points)


TRUTH = [TruthPicture(f"p/{name}.jpg", "p", Path(f"{name}.jpg"), 640, 360, ()) for name in "ab"]


def test_the_error_is_a_share_of_the_hands_size(teacher: Teacher) -> None:
    errors = landmark_errors(TRUTH, predictions(hand(10.0), hand(200.0)), teacher)
    assert errors["hand"]["mean_error"] == pytest.approx(0.1, abs=1e-3)
    assert (errors["hand"]["teacher"], errors["hand"]["found"]) == (2, 1)
    assert "face" not in errors


def test_a_face_of_fewer_points_is_compared_with_the_same_ones_of_the_teacher(tmp_path: Path) -> None:
    mesh = np.array([[100, 50], [200, 50], [100, 100], [200, 100], [150, 75]], np.float64)
    np.savez(
        tmp_path / "landmarks.npz",
        hand_file=np.array([], "<U3"),
        hand_xyz=np.zeros((0, 21, 3), np.float16),
        face_file=np.array(["p/a"]),
        face_xy=mesh[None].astype(np.float16),
        face_points=np.array([61, 291, 17, 0, 4], np.int16),
    )
    found = ((mesh[[4, 1]] + np.array([0.0, 5.0])) / SIZE).astype(np.float32)
    box = Box(50 / 360, 100 / 640, 100 / 360, 200 / 640)
    predicted = Predictions({}, {}, {"p/a.jpg": Prediction((), (Region("face", box, 0.9, {}, found),))})
    teacher = Teacher(tmp_path / "landmarks.npz")
    errors = landmark_errors(TRUTH[:1], predicted, teacher, (4, 291))
    assert errors["face"]["mean_error"] == pytest.approx(0.05, abs=1e-3)
    assert landmark_errors(TRUTH[:1], predicted, teacher) == {}
    assert landmark_errors(TRUTH[:1], predicted, teacher, (4, 99)) == {}


def test_hands_below_the_threshold_or_elsewhere_are_not_found(teacher: Teacher) -> None:
    assert landmark_errors(TRUTH, predictions(hand(0.0, score=0.4), hand(300.0)), teacher) == {}


def test_no_teacher_and_a_damaged_one(tmp_path: Path) -> None:
    assert read_teacher(tmp_path / "none") is None
    (tmp_path / "landmarks.npz").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"landmarks\.npz: expected hand_file"):
        read_teacher(tmp_path)
