"""Crops for the crop networks, and their targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.degrade import Degradation
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, Sample
from tests.support.training_samples import make_recipe, photo_of_hand


@pytest.mark.parametrize(("attribute", "known", "label"), [("wave", 1, 1), (NONE, 1, 0), (UNKNOWN, 0, 0)])
def test_an_unknown_gesture_is_masked(attribute: str, known: int, label: int) -> None:
    photo, picture = photo_of_hand(attribute)
    source = CropSource(make_recipe("hand"), [photo], [picture])
    _, targets = source.batch(source.samples, None)
    assert (targets["has_label"][0], targets["label"][0], targets["presence"][0]) == (known, label, 1)
    assert targets["has_landmarks"][0] == 1


@pytest.mark.parametrize(("neighbour", "absent"), [("wave", 2), ("ok_hand", 0)])
def test_an_unknown_gesture_is_assumed_absent_where_nobody_of_the_group_shows_it(
    neighbour: str, absent: int
) -> None:
    photo, picture = photo_of_hand(UNKNOWN)
    other, _ = photo_of_hand(neighbour)
    source = CropSource(
        make_recipe("hand", classes=("wave", "ok_hand"), assumed_absent="ok_hand"),
        [photo, other],
        [picture, picture],
    )
    _, targets = source.batch(source.samples, None)
    assert targets["absent"].tolist() == [absent, 0]


@pytest.mark.parametrize("new_labels_only", [False, True])
def test_a_hand_without_gesture_or_landmarks_counts_only_where_nothing_but_labels_is_learned(
    new_labels_only: bool,
) -> None:
    photo, picture = photo_of_hand(UNKNOWN)
    photo.samples[0].landmarks = None
    options = {"start_from": "shipped", "ema_momentum": 0.0} if new_labels_only else {}
    source = CropSource(
        make_recipe("hand", assumed_absent="wave", new_labels_only=new_labels_only, **options),
        [photo],
        [picture],
    )
    assert len(source.samples) == new_labels_only
    if new_labels_only:
        _, targets = source.batch(source.samples, None)
        assert (targets["absent"][0], targets["has_landmarks"][0]) == (1, 0)


def test_faces_with_a_hand_at_them_are_repeated() -> None:
    photo, picture = photo_of_hand(NONE)
    hand = photo.samples[0].box
    reach = hand[2:] - hand[:2]
    away = Sample("face", hand + 3 * np.concatenate([reach, reach]), NONE)
    touched = Sample("face", (hand + 0.4 * np.concatenate([reach, reach])).astype(np.float32), NONE)
    photo.samples += [away, touched]
    source = CropSource(make_recipe("face", hand_at_face_repeats=4.0, negatives=0.0), [photo], [picture])
    order = source.epoch(np.random.default_rng(0))
    assert [sum(index.sample is face for index in order) for face in (away, touched)] == [1, 4]


def test_samples_of_a_repeated_label_are_repeated() -> None:
    photo, picture = photo_of_hand("wave")
    source = CropSource(make_recipe("hand", label_repeats={"wave": 3.0}, negatives=0.0), [photo], [picture])
    assert len(source.epoch(np.random.default_rng(0))) == 3


def test_a_face_that_shows_thinking_is_not_truncated() -> None:
    points = np.array([[12, 12], [28, 12], [20, 30]], np.float32)
    samples = [
        Sample("face", np.array([10, 8, 30, 32], np.float32), attribute, points)
        for attribute in ("thinking", "smile")
    ]
    picture = np.full((48, 64, 3), 200, np.uint8)
    never = Degradation(0, 0, 0, 0, 0, 0, 0, 0)
    recipe = make_recipe(
        "face",
        classes=("smile", "thinking"),
        points=(61, 291, 0),
        assumed_absent="thinking",
        truncation=1.0,
        degrade=never,
    )
    source = CropSource(
        recipe, [Photo("p0", "p0/a", Path("a.jpg"), 64, 48, samples)], [picture], [61, 291, 0]
    )
    thinking, smiling = (source.batch([index] * 16, np.random.default_rng(3))[0] for index in source.samples)
    assert all((crop == 0).mean() < 0.1 for crop in thinking)
    assert all((crop == 0).mean() > 0.14 for crop in smiling)


def test_a_pasted_hand_decides_whether_a_neutral_face_is_thinking() -> None:
    shown = ("neutral", "thinking", NONE)
    photos, pictures = zip(*(_face_with_hand(attribute) for attribute in shown), strict=True)
    points = (61, 291, 152, 150, 379, 172, 397)
    recipe = make_recipe(
        "face", classes=("neutral", "thinking"), points=points, compositing=0.999, negatives=0.0
    )
    source = CropSource(recipe, photos, pictures, points)
    neutral = next(index for index in source.samples if index.photo == 0)
    _, targets = source.batch([neutral] * 400, np.random.default_rng(0))
    known = targets["has_label"] == 1
    labelled = {
        "neutral": known & (targets["label"] == 1),
        "thinking": known & (targets["label"] == 2),
        "not thinking": ~known & (targets["absent"] == 2),
    }
    shares = {name: float(rows.mean()) for name, rows in labelled.items()}
    # Hands beside the face leave it neutral. Of the 45 % at the chin, three tenths are of a face that does not think.
    assert sum(shares.values()) == pytest.approx(1.0)
    assert 0.45 < shares["neutral"] < 0.65
    assert 0.2 < shares["thinking"] < 0.42
    assert 0.07 < shares["not thinking"] < 0.2


def _face_with_hand(attribute: str) -> tuple[Photo, np.ndarray]:
    """A picture of a face with a closed hand below its chin."""
    box = np.array([60, 40, 120, 100], np.float32)
    # Corners of the mouth, chin, jaw.
    face = np.array([[78, 80], [102, 80], [90, 100], [82, 98], [98, 98], [70, 90], [110, 90]], np.float32)
    across, down = np.tile([0.0, 12.0, 24.0], 7), np.repeat(np.linspace(54, 4, 7), 3)
    hand = np.stack([78 + across, 96 + down, np.zeros(21)], 1).astype(np.float32)
    samples = [
        Sample("face", box, attribute, face),
        Sample("hand", np.array([76, 98, 104, 152], np.float32), NONE, hand),
    ]
    return Photo("p0", f"p0/{attribute}", Path("a.jpg"), 180, 160, samples), np.full(
        (160, 180, 3), 120, np.uint8
    )
