from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from gifcue_lab.datasets.annotation import LabelledObject
from gifcue_lab.datasets.stats import count_labels, draw_labels, read_sides


def test_counts_by_side_and_draws(tmp_path: Path, make_picture: Any) -> None:
    make_picture("train/p1/a.jpg", LabelledObject("face", 1, 1, 9, 9), LabelledObject("smile", 1, 1, 9, 9))
    make_picture(
        "train/p2/b.jpg", LabelledObject("face", 1, 1, 9, 9, True), LabelledObject("face", 20, 1, 29, 9)
    )
    make_picture("dev/p3/c.jpg", LabelledObject("hand", 1, 1, 9, 9))
    counts = count_labels(read_sides(tmp_path))
    assert counts["labels"] == ["face", "hand", "smile"]
    assert list(counts["sides"]) == ["train", "dev"]
    train = counts["sides"]["train"]
    assert (train["pictures"], train["groups"], train["objects"], train["empty_pictures"]) == (2, 2, 4, 0)
    assert train["labels"]["face"] == {"boxes": 3, "difficult": 1, "pictures": 2, "groups": 2}
    assert counts["sides"]["dev"]["labels"]["smile"]["boxes"] == 0
    draw_labels(counts, tmp_path / "labels.png")
    chart = cv2.imread(str(tmp_path / "labels.png"))
    assert chart is not None
    assert chart.std() > 5


def test_folders_of_people_are_not_splits(tmp_path: Path, make_picture: Any) -> None:
    make_picture("p1/a.jpg")
    make_picture("p2/b.jpg")
    assert list(read_sides(tmp_path)) == [""]
