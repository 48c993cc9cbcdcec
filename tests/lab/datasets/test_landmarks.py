"""Landmarks of a model in the place of a teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.landmarks import check_free, model_of, splits_of, write_landmarks
from gifcue_lab.evaluation.landmarks import read_teacher


class OneHand:
    info = ServedModel("test", "7", "test", (), {}, 64, 64)

    def warm(self) -> None: ...

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        points = np.full((21, 3), 0.5, np.float32)
        return [[Region("hand", Box(0.2, 0.2, 0.8, 0.8), 0.9, {}, points)] for _ in frames]

    def close(self) -> None: ...


def test_a_file_says_whose_landmarks_it_holds(tmp_path: Path, make_picture: Any) -> None:
    make_picture("train/anna/1.jpg")
    (split,) = splits_of(tmp_path)
    check_free([split])
    assert write_landmarks(OneHand(), split, ()) == (1, 0)
    teacher = read_teacher(split)
    assert teacher is not None
    assert teacher.model == "test 7"
    assert teacher.points["hand"]["anna/1"][0].tolist() == [[60.0, 45.0]] * 21
    check_free([split])


def test_a_teachers_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.npz"
    np.savez(path, hand_file=np.array([], str))
    assert model_of(path) == ""
    with pytest.raises(
        DatasetError,
        match=r"landmarks\.npz: expected none, .* got one that does not say whose it is; --force",
    ):
        check_free([tmp_path])
    # One array, whatever the name says.
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match="--force"):
        check_free([tmp_path])
    with pytest.raises(DatasetError, match="expected hand_file"):
        read_teacher(tmp_path)
    path.write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="--force"):
        check_free([tmp_path])


def test_folders_without_pictures_are_no_splits(tmp_path: Path, make_picture: Any) -> None:
    with pytest.raises(DatasetError, match="none: expected a directory of splits, got none"):
        splits_of(tmp_path / "none")
    (tmp_path / "clips" / "dev").mkdir(parents=True)
    (tmp_path / "clips" / "dev" / "talk.mp4").touch()
    with pytest.raises(DatasetError, match=r"expected folders with pictures \(train, dev\), got none"):
        splits_of(tmp_path)
    make_picture("dev/anna/1.jpg")
    assert splits_of(tmp_path) == [tmp_path / "dev"]
