from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from gifcue.detect.processing import crop_matrix
from gifcue_lab.export.calibration import best_threshold
from gifcue_lab.training import losses
from gifcue_lab.training.augment import PixelAugmentation, bend, cut_off, damage, move_points
from gifcue_lab.training.config import TrainingConfig, read_config
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, Sample, read_photos
from gifcue_lab.training.scenes import SceneSource, average_precision, decode_maps, match

from gifcue.errors import ConfigError  # isort: skip

XML = """<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height></size>
{objects}</annotation>"""
OBJECT = """<object><name>{0}</name><difficult>{1}</difficult><bndbox><xmin>{2}</xmin><ymin>{3}</ymin>
<xmax>{4}</xmax><ymax>{5}</ymax></bndbox></object>"""


def config(task: str, **more: object) -> TrainingConfig:
    settings = {
        "data_dir": Path(),
        "run_dir": Path(),
        "width": 32,
        "height": 32,
        "epochs": 1,
        "classes": ("wave",),
    }
    return TrainingConfig(task=task, **{**settings, **more})  # type: ignore[arg-type]


def a_hand(attribute: str) -> tuple[Photo, np.ndarray]:
    points = np.stack([np.linspace(12, 28, 21), np.linspace(10, 30, 21), np.zeros(21)], 1).astype(np.float32)
    sample = Sample("hand", np.array([10, 8, 30, 32], np.float32), attribute, points)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return Photo("p0", "p0/a", Path("a.jpg"), 64, 48, [sample]), picture


def test_a_second_box_names_the_attribute_and_difficult_hides_it(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "p0"
    folder.mkdir(parents=True)
    objects = [
        ("hand", 0, 1, 1, 9, 9),
        ("wave", 0, 1, 1, 9, 9),
        ("hand", 1, 20, 1, 30, 9),
        ("face", 0, 40, 1, 50, 9),
    ]
    (folder / "a.xml").write_text(XML.format(objects="".join(OBJECT.format(*item) for item in objects)))
    photo = read_photos(tmp_path, "train")[0]
    assert [sample.attribute for sample in photo.samples] == ["wave", UNKNOWN, NONE]


def test_a_split_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data_dir"):
        read_photos(tmp_path, "train")


@pytest.mark.parametrize("mirror", [False, True])
def test_points_go_where_their_pixels_go(mirror: bool) -> None:
    matrix = crop_matrix((20.0, 20.0), 32.0, 64, angle_deg=30.0, mirror=mirror)
    moved = move_points(np.array([[20.0, 20.0, 4.0], [25.0, 20.0, 0.0]], np.float32), matrix, 64)
    np.testing.assert_allclose(moved[0], [0.5, 0.5, 4.0 / 32.0], atol=1e-5)
    away = moved[1, :2] - 0.5
    side = -1 if mirror else 1
    np.testing.assert_allclose(
        away, [side * 5 / 32 * np.cos(np.pi / 6), 5 / 32 * np.sin(np.pi / 6)], atol=1e-5
    )


def test_damage_keeps_the_shape_and_repeats_with_its_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    always = PixelAugmentation(1, 1, 1, 1, 1, 1, 1, 1)
    once, again = (damage(picture, np.random.default_rng(5), always) for _ in range(2))
    assert once.shape == picture.shape
    assert (once == again).all()


def a_drawn_hand(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A white dot at each of 21 landmarks that lie as an open hand's do, and their places in shares of the crop."""
    fingers = [[(0.5 + 0.04 * (f - 2) * (j + 2), 0.7 - 0.11 * (j + 1)) for j in range(4)] for f in range(5)]
    points = np.array([(0.5, 0.85), *(joint for finger in fingers for joint in finger)], np.float32)
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in points * size:
        cv2.circle(picture, (round(float(x)), round(float(y))), 2, (255, 255, 255), -1)
    return picture, points


def test_bent_fingers_take_their_landmarks_along() -> None:
    picture, points = a_drawn_hand(256)
    bent, moved = bend(picture, points, np.random.default_rng(3), 0.1)
    assert np.abs(moved - points)[[4, 8, 12, 16, 20]].max() > 0.03
    assert bent.shape == picture.shape
    for x, y in moved * 256:
        # A dot of 5 pixels is still where its landmark went.
        assert (
            bent[round(float(y)) - 2 : round(float(y)) + 3, round(float(x)) - 2 : round(float(x)) + 3].max()
            > 150
        )


def test_fingertips_that_touch_go_on_touching() -> None:
    _, points = a_drawn_hand(256)
    points[8] = points[4] + 0.005
    apart = [
        float(np.linalg.norm(moved[8] - moved[4]))
        for seed in range(20)
        for _, moved in [bend(np.zeros((64, 64, 3), np.uint8), points, np.random.default_rng(seed), 0.12)]
    ]
    assert max(apart) < 0.03


@pytest.mark.parametrize(("attribute", "known", "label"), [("wave", 1, 1), (NONE, 1, 0), (UNKNOWN, 0, 0)])
def test_an_unknown_gesture_is_masked(attribute: str, known: int, label: int) -> None:
    photo, picture = a_hand(attribute)
    source = CropSource(config("hand"), [photo], [picture])
    _, targets = source.batch(source.samples, None)
    assert (targets["has_label"][0], targets["label"][0], targets["presence"][0]) == (known, label, 1)
    assert targets["has_landmarks"][0] == 1


@pytest.mark.parametrize(("neighbour", "denied"), [("wave", 2), ("ok_hand", 0)])
def test_an_unknown_gesture_is_known_not_to_be_one_that_nobody_of_its_group_makes(
    neighbour: str, denied: int
) -> None:
    photo, picture = a_hand(UNKNOWN)
    other, _ = a_hand(neighbour)
    source = CropSource(
        config("hand", classes=("wave", "ok_hand"), denied="ok_hand"), [photo, other], [picture, picture]
    )
    _, targets = source.batch(source.samples, None)
    assert targets["denied"].tolist() == [denied, 0]


def test_denying_a_class_lowers_that_one_only() -> None:
    logits = np.array([[0.5, 1.0, 3.0, -1.0]], np.float32)
    targets = {"has_label": np.zeros(1), "label": np.zeros(1), "denied": np.array([2.0])}
    chances = np.exp(logits) / np.exp(logits).sum()
    loss = float(losses.class_loss(targets, logits))
    assert loss == pytest.approx(-np.log(1 - chances[0, 2]), rel=1e-4)
    assert float(losses.class_loss({**targets, "denied": np.zeros(1)}, logits)) == 0.0


def test_faces_with_a_hand_at_them_come_more_often() -> None:
    photo, picture = a_hand(NONE)
    hand: npt.NDArray[np.float32] = photo.samples[0].box
    reach = hand[2:] - hand[:2]
    away = Sample("face", np.concatenate([hand[:2] + 3 * reach, hand[2:] + 3 * reach]), NONE)
    touched = Sample("face", (hand + 0.4 * np.concatenate([reach, reach])).astype(np.float32), NONE)
    photo.samples += [away, touched]
    source = CropSource(config("face", repeat_touched=4.0, negatives=0.0), [photo], [picture])
    order = source.epoch(np.random.default_rng(0))
    assert [sum(index.sample is face for index in order) for face in (away, touched)] == [1, 4]


def test_a_repeated_label_comes_more_often_and_the_order_repeats_with_its_seed() -> None:
    photo, picture = a_hand("wave")
    source = CropSource(config("hand", repeat={"wave": 3.0}, negatives=0.0), [photo], [picture])
    assert len(source.epoch(np.random.default_rng(0))) == 3


def test_a_scene_asks_for_its_boxes_and_gets_them_back() -> None:
    photo, picture = a_hand("wave")
    source = SceneSource(config("detector", width=128, height=96), [photo], [picture])
    _, targets = source.batch([0], None)
    heat = np.log(
        np.clip(targets["heat"][0], 1e-6, 1 - 1e-6) / (1 - np.clip(targets["heat"][0], 1e-6, 1 - 1e-6))
    )
    found = decode_maps(heat, targets["sides"][0], 1, floor=0.5)
    assert len(found) == 1
    np.testing.assert_allclose(found[0][1], np.array([20, 16, 60, 64]), atol=1e-4)
    assert decode_maps(heat, targets["sides"][0], 0, floor=0.5) == []


def test_a_mosaic_asks_for_what_each_of_its_quarters_shows() -> None:
    photo, picture = a_hand("wave")
    source = SceneSource(config("detector", width=256, height=192, mosaic=1.0), [photo], [picture])
    for seed in range(6):
        _, targets = source.batch([0], np.random.default_rng(seed))
        centres = np.argwhere(targets["heat"][0, ..., 1] > 0.999)
        assert 1 <= len(centres) <= 4
        for row, column in centres:
            left, top, right, bottom = targets["sides"][0, row, column, 4:]
            # The hand is 40 x 48 pixels, cut off at most where its quarter ends.
            assert 0.3 < (left + right) / (top + bottom) < 2.5
            assert targets["near"][0, row, column, 1] == 1.0


def test_average_precision_counts_misses_and_false_finds() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    answers = match([(0.9, box), (0.8, box), (0.7, box + 50)], [box])
    assert answers == [(0.9, True), (0.8, False), (0.7, False)]
    assert average_precision(answers, 1) == 1.0
    assert average_precision(answers, 2) == 0.5


def test_the_threshold_lies_in_the_middle_of_where_f1_is_best() -> None:
    scores = np.array([0.05, 0.1, 0.2, 0.8, 0.9, 0.95])
    assert 0.4 < best_threshold(scores, scores > 0.5, 3) < 0.6


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('task = "hand"\nspeed = 3\n')
    with pytest.raises(ConfigError, match="speed"):
        read_config(path)


@pytest.mark.parametrize("name", ["detector", "hand", "hand-finer", "face"])
def test_the_projects_own_configurations_are_whole(name: str) -> None:
    folder = Path(__file__).parents[2] / "src" / "gifcue" / "training" / "configs"
    assert read_config(folder / f"{name}.toml").task == name.split("-")[0]


def test_the_edge_of_a_frame_cuts_off_one_side_of_a_crop() -> None:
    crop = np.full((40, 40, 3), 200, np.uint8)
    sides = set()
    for seed in range(40):
        cut = cut_off(crop, np.random.default_rng(seed))
        assert cut.shape == crop.shape
        black = (cut == 0).all(2)
        edges = {"top": black[0], "bottom": black[-1], "left": black[:, 0], "right": black[:, -1]}
        (side,) = (name for name, edge in edges.items() if edge.all())
        sides.add(side)
        assert 0.15 <= black.mean() <= 0.45
        assert set(np.unique(cut)) == {0, 200}
    assert sides == {"top", "bottom", "left", "right"}


def test_a_face_that_thinks_keeps_the_hand_that_says_so() -> None:
    points = np.array([[12, 12], [28, 12], [20, 30]], np.float32)
    samples = [
        Sample("face", np.array([10, 8, 30, 32], np.float32), attribute, points)
        for attribute in ("thinking", "smile")
    ]
    picture = np.full((48, 64, 3), 200, np.uint8)
    still = PixelAugmentation(0, 0, 0, 0, 0, 0, 0, 0)
    made = config(
        "face", classes=("smile", "thinking"), points=(61, 291, 0), denied="thinking", cut=1.0, pixels=still
    )
    source = CropSource(made, [Photo("p0", "p0/a", Path("a.jpg"), 64, 48, samples)], [picture], [61, 291, 0])
    thinking, smiling = (source.batch([index] * 16, np.random.default_rng(3))[0] for index in source.samples)
    assert all((crop == 0).mean() < 0.1 for crop in thinking)
    assert all((crop == 0).mean() > 0.14 for crop in smiling)
