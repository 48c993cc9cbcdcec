"""From labelled hands to the classifier of the extra gestures, on drawn hands of people who do not exist."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gifcue.detect.gesture_classifier import SERVED_THRESHOLD
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.gestures import train as training
from gifcue_lab.gestures.evaluate import errors, evaluate, judge
from gifcue_lab.gestures.hands import Hands, join_hands, read_hands
from gifcue_lab.gestures.labels import HandLabel, label_of, read_labels, write_labels
from gifcue_lab.gestures.sheet import write_sheets
from gifcue_lab.gestures.train import GESTURES, Trained, train
from tests.support.hand_shapes import SHAPES, hand_shape

GROUPS = 6
POSES = {
    **SHAPES,
    "ok_hand": hand_shape("mrl", "over"),
    "thumbs_up": hand_shape("", "out", turn=60.0),
    "none": hand_shape("imr", "over"),
}


def hands(groups: int = GROUPS, each: int = 3, seed: int = 1) -> Hands:
    """Each pose in every group, `each` times, a little different each time. The last hand of all is not found."""
    rng = np.random.default_rng(seed)
    rows = [(group, name) for group in range(groups) for name in POSES for _ in range(each)]
    count = len(rows)
    landmarks = np.stack([POSES[name] + rng.normal(0, 0.004, (21, 3)) for _, name in rows]).astype(np.float32)
    landmarks[-1] = np.nan
    return Hands(
        pictures=np.array([f"train/p{group}/{number}.png" for number, (group, _) in enumerate(rows)]),
        keys=np.array([f"{number:016x}" for number in range(count)]),
        groups=np.array([f"p{group}" for group, _ in rows]),
        boxes=np.tile(np.array([0.3, 0.3, 0.7, 0.7], np.float32), (count, 1)),
        shows=np.array([name if name in ("ok_hand", "thumbs_up") else "none" for _, name in rows]),
        landmarks=landmarks,
        aspects=np.ones(count, np.float32),
    )


def labels_of(made: Hands, groups: int = GROUPS, each: int = 3) -> dict[str, list[HandLabel]]:
    names = [name for _ in range(groups) for name in POSES for _ in range(each)]
    return {
        str(key): [HandLabel(0.5, 0.5, name)]
        for key, name in zip(made.keys, names, strict=True)
        if name in GESTURES
    }


@pytest.fixture(scope="module")
def trained() -> Trained:
    made = hands()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "ROWS", 150)
        patch.setattr(training, "EPOCHS", 12)
        return train(made, labels_of(made))


def test_a_classifier_learns_the_gestures_and_is_measured_on_other_people(trained: Trained) -> None:
    other = hands(groups=3, seed=9)
    judged = judge(trained.classifier, other, labels_of(other, groups=3))
    figures = evaluate(judged, SERVED_THRESHOLD)
    assert set(figures) == set(GESTURES) == set(trained.hands)
    for name, each in figures.items():
        assert (each.hands, each.groups, trained.hands[name], trained.groups[name]) == (9, 3, 18, GROUPS)
        assert (each.f1 or 0.0) > 0.9, name
        assert each.others == len(other) - 9
    assert not trained.classifier.examples.size, "no hand is kept"


def test_a_hand_that_is_not_found_is_missed(trained: Trained) -> None:
    other = hands(groups=2, seed=9)
    other.landmarks[:] = np.nan
    figures = evaluate(judge(trained.classifier, other, labels_of(other, groups=2)), SERVED_THRESHOLD)
    assert {(each.found, each.wrong, each.f1) for each in figures.values()} == {(0, 0, 0.0)}


def test_errors_are_listed_the_likeliest_first(trained: Trained) -> None:
    other = hands(groups=2, seed=9)
    said = labels_of(other, groups=2)
    # One fist is said to be a victory.
    fist = next(key for key, labels in said.items() if labels[0].label == "fist")
    said[fist] = [HandLabel(0.5, 0.5, "victory")]
    judged = judge(trained.classifier, other, said)
    chosen, captions = errors(judged, SERVED_THRESHOLD, "fist")
    assert str(judged.hands.keys[chosen[0]]) == fist
    assert captions[0].startswith("victory ")
    chosen, _ = errors(judged, SERVED_THRESHOLD, "victory")
    assert str(judged.hands.keys[chosen[-1]]) == fist


def test_a_gesture_of_too_few_people_is_refused() -> None:
    made = hands(groups=2)
    with pytest.raises(
        DatasetError, match="expected each gesture in 3 groups or more, got none in 2, thumbs_down in 2"
    ):
        train(made, labels_of(made, groups=2))


def test_an_unknown_gesture_is_refused() -> None:
    made = hands()
    with pytest.raises(DatasetError, match=r"expected none, thumbs_down, .* got five"):
        train(made, {str(made.keys[0]): [HandLabel(0.5, 0.5, "five")]})


def test_hands_and_labels_are_read_as_written(tmp_path: Path) -> None:
    made = hands(groups=1)
    made.write(tmp_path / "hands.npz")
    again = join_hands([read_hands(tmp_path / "hands.npz")] * 2)
    assert len(again) == 2 * len(made)
    assert int(again.is_found.sum()) == 2 * (len(made) - 1)
    np.testing.assert_array_equal(again.landmarks[: len(made)], made.landmarks)
    labels = {"ab": [HandLabel(0.25, 0.5, "fist"), HandLabel(0.75, 0.5, "unknown")]}
    write_labels(tmp_path / "labels.csv", labels)
    assert read_labels(tmp_path / "labels.csv") == labels
    left, right = Box(0.3, 0.1, 0.7, 0.4), Box(0.3, 0.6, 0.7, 0.9)
    assert [label_of(box, labels["ab"]) for box in (left, right, Box(0.0, 0.0, 0.1, 0.1))] == [
        "fist",
        "unknown",
        None,
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("picture,x,y\n", "expected the columns picture,x,y,label"),
        ("picture,x,y,label\nab,0.1,zero,fist\n", "labels.csv:2: expected picture,x,y,label"),
        ("picture,x,y,label\nab,0.1,0.2,\n", "labels.csv:2: .* no label"),
        ("picture,x,y,label\nab,0.1\n", "labels.csv:2"),
    ],
)
def test_a_damaged_file_of_labels_is_reported_with_its_line(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_labels(tmp_path / "labels.csv")


def test_a_damaged_file_of_hands_is_reported(tmp_path: Path) -> None:
    (tmp_path / "hands.npz").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="as `gifcue-lab gestures find` writes"):
        read_hands(tmp_path / "hands.npz")


def test_a_sheet_shows_the_square_around_each_hand(tmp_path: Path) -> None:
    made = hands(groups=1)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[30:70, 60:140] = 255
    (tmp_path / "train" / "p0").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "train" / "p0" / "0.png"), picture)
    (file,) = write_sheets(made, tmp_path, [0], ["none"], tmp_path / "out")
    sheet = cv2.imread(str(file))
    assert sheet is not None
    tile = sheet[:112, :112].mean(axis=2)
    assert tile[56, 56] == 255
    assert tile[5, 56] == 0
