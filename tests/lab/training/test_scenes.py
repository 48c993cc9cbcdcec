"""Scenes for the detector, and their target maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gifcue_lab.training.heatmaps import CHANNELS, decode_maps
from gifcue_lab.training.samples import Photo, Sample
from gifcue_lab.training.scenes import SceneSource
from tests.support.training_samples import make_recipe, photo_of_hand


def test_boxes_are_recovered_from_the_target_maps() -> None:
    photo, picture = photo_of_hand("wave")
    source = SceneSource(make_recipe("detector", width=128, height=96), [photo], [picture])
    _, targets = source.batch([0], None)
    heat = np.log(
        np.clip(targets["heat"][0], 1e-6, 1 - 1e-6) / (1 - np.clip(targets["heat"][0], 1e-6, 1 - 1e-6))
    )
    found = decode_maps(heat, targets["sides"][0], 1, floor=0.5)
    assert len(found) == 1
    np.testing.assert_allclose(found[0][1], np.array([20, 16, 60, 64]), atol=1e-4)
    assert decode_maps(heat, targets["sides"][0], 0, floor=0.5) == []


def test_a_mosaic_has_a_target_for_each_visible_object() -> None:
    photo, picture = photo_of_hand("wave")
    source = SceneSource(make_recipe("detector", width=256, height=192, mosaic=1.0), [photo], [picture])
    for seed in range(6):
        _, targets = source.batch([0], np.random.default_rng(seed))
        centres = np.argwhere(targets["heat"][0, ..., 1] > 0.999)
        assert 1 <= len(centres) <= 4
        for row, column in centres:
            left, top, right, bottom = targets["sides"][0, row, column, 4:]
            # The hand is 40 x 48 pixels; the end of its quarter may cut it off.
            assert 0.3 < (left + right) / (top + bottom) < 2.5
            assert targets["near"][0, row, column, 1] == 1.0


def person() -> tuple[Photo, np.ndarray]:
    """A grey face, and a bright raised hand below it."""
    picture = np.full((192, 256, 3), 60, np.uint8)
    picture[20:80, 100:150] = 130
    picture[110:180, 20:60] = 230
    points = np.stack(
        [np.tile([24.0, 40.0, 56.0], 7), np.repeat(np.linspace(176, 114, 7), 3), np.zeros(21)], 1
    ).astype(np.float32)
    samples = [
        Sample("face", np.array([100, 20, 150, 80], np.float32), "neutral"),
        Sample("hand", np.array([20, 110, 60, 180], np.float32), "", points),
    ]
    return Photo("p0", "p0/a", Path("a.jpg"), 256, 192, samples), picture


def centres(targets: dict[str, np.ndarray], kind: str) -> int:
    return int((targets["heat"][0, ..., CHANNELS[kind]] > 0.999).sum())


def test_a_hand_over_a_face_is_one_more_hand_to_find() -> None:
    photo, picture = person()
    plain = SceneSource(make_recipe("detector", width=256, height=192), [photo], [picture])
    pasting = SceneSource(make_recipe("detector", width=256, height=192, compositing=1.0), [photo], [picture])
    more = over = 0
    for seed in range(12):
        (_, before), (_, after) = (
            source.batch([0], np.random.default_rng(seed)) for source in (plain, pasting)
        )
        assert centres(after, "hand") <= centres(before, "hand") + 1
        more += centres(after, "hand") > centres(before, "hand")
        # The face is still to be found, unless most of it is covered.
        ignored = (after["ignore"][0, ..., CHANNELS["face"]] == 0).any()
        assert centres(after, "face") == centres(before, "face") or ignored
        face = np.argwhere(after["heat"][0, ..., CHANNELS["face"]] > 0.999)
        hands = np.argwhere(after["heat"][0, ..., CHANNELS["hand"]] > 0.999)
        over += any(np.abs(hands - place).max(1).min() < 8 for place in face)
    assert more >= 8
    assert over >= 8


def test_nothing_is_learned_of_a_hand_without_a_label() -> None:
    photo, picture = person()
    recipe = make_recipe("detector", width=256, height=192)
    # One place lies over the labelled hand, which is learned all the same.
    unlabelled = {"p0/a": [np.array(box, np.float32) for box in ((180, 100, 240, 160), (10, 90, 90, 190))]}
    _, targets = SceneSource(recipe, [photo], [picture], unlabelled).batch([0], None)
    ignore = targets["ignore"][0]
    assert (ignore[13:20, 23:30, CHANNELS["hand"]] == 0).all()
    assert (ignore[..., CHANNELS["face"]] == 1).all()
    row, column = np.argwhere(targets["heat"][0, ..., CHANNELS["hand"]] > 0.999)[0]
    assert ignore[row, column, CHANNELS["hand"]] == 1
    assert centres(targets, "hand") == 1


def test_photographs_with_a_hand_at_a_face_are_shown_more_often() -> None:
    photo, picture = person()
    at_face, _ = person()
    at_face.samples[1].box = np.array([110, 60, 150, 130], np.float32)
    recipe = make_recipe("detector", width=256, height=192, hand_at_face_repeats=3.0)
    source = SceneSource(recipe, [photo, at_face], [picture, picture])
    assert sorted(source.epoch(np.random.default_rng(0))) == [0, 1, 1, 1]
