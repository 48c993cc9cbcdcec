"""Thresholds: the best F1, what is as good, and cross-fitted F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.export.calibration import thresholds_note
from gifcue_lab.export.thresholds import MAX_FALSE_SHARE, ScoredLabel, choose_thresholds
from gifcue_lab.training.samples import Photo, Sample


def label(
    scores: np.ndarray, right: np.ndarray, group: np.ndarray, negative: np.ndarray | None = None
) -> ScoredLabel:
    """A label of which every labelled box is found."""
    totals = np.bincount(group[right], minlength=int(group.max()) + 1)
    return ScoredLabel(
        scores, right, np.zeros(len(scores), bool) if negative is None else negative, group, totals
    )


def test_the_threshold_lies_in_the_middle_of_where_f1_is_best() -> None:
    scores = np.array([0.05, 0.1, 0.2, 0.8, 0.9, 0.95])
    assert 0.4 < label(scores, scores > 0.5, np.zeros(6, np.intp)).threshold() < 0.6


def test_negatives_raise_the_threshold() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0.3, 1.0, 1000), rng.uniform(0.0, 0.6, 300)])
    right = np.arange(1300) < 1000
    group = np.arange(1300) % 10
    free = label(scores, right, group).threshold()
    bound = label(scores, right, group, ~right).threshold()
    assert free < bound
    assert (scores[~right] >= bound).mean() <= MAX_FALSE_SHARE


def test_a_mixture_in_which_false_regions_are_common_raises_the_threshold() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0.3, 1.0, 1000), rng.uniform(0.0, 0.6, 300)])
    right = np.arange(1300) < 1000
    plain = label(scores, right, np.arange(1300) % 10)
    common = replace(plain, false_weights=np.stack([np.ones(1300), np.full(1300, 20.0)]))
    assert replace(plain, false_weights=np.ones((2, 1300))).threshold() == plain.threshold()
    assert common.threshold() > plain.threshold() + 0.1
    assert len(common.half(1).scores) == common.half(1).false_weights.shape[1]  # type: ignore[union-attr]


def test_what_one_group_prefers_does_not_decide() -> None:
    # Nine groups are separated anywhere from 0.3 to 0.7. One has wrong scores of 0.6, so its best threshold is above.
    group = np.repeat(np.arange(10), 20)
    right = np.tile([True, False], 100)
    scores = np.where(right, 0.8, 0.2)
    odd = (group == 9) & ~right
    assert label(scores, right, group).threshold() == pytest.approx(0.5, abs=0.05)
    scores[np.flatnonzero(odd)[:2]] = 0.6
    # F1 is best above 0.6, by a difference that vanishes when that group is not drawn.
    assert label(scores, right, group).threshold() < 0.6


def test_cross_fitted_f1_uses_the_threshold_of_the_other_half() -> None:
    # Group 0 is separated at 0.3, group 1 at 0.7: each threshold fails on the other.
    scores = np.array([0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8])
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    right = np.array([False, False, True, True, False, False, True, True])
    both = label(scores, right, group)
    assert both.half(0).threshold() < 0.4
    assert 0.6 < both.half(1).threshold() < 0.8
    # Group 0 finds nothing at 0.7, group 1 takes all four at 0.3.
    assert both.cross_fitted_f1() == 2 * 2 / (4 + 4)


def test_cross_fitted_f1_needs_two_groups() -> None:
    scores = np.array([0.2, 0.8])
    assert label(scores, scores > 0.5, np.zeros(2, np.intp)).cross_fitted_f1() is None


def test_thresholds_that_stay_keep_what_is_said_of_them() -> None:
    before = {"chosen_on": ["people"], "f1_cross_fitted": {"smile": 0.8, "wave": 0.9}}
    note = thresholds_note(before, ["others"], {"wave": 0.95}, chosen=["wave"], left=["face", "smile"])
    assert note == {
        "chosen_on": ["people (for face, smile)", "others (for wave)"],
        "f1_cross_fitted": {"smile": 0.8, "wave": 0.95},
    }
    # Chosen again on more people, the label is named once.
    note = thresholds_note(note, ["more"], {"wave": None}, chosen=["wave"], left=["face", "smile"])
    assert note["chosen_on"] == ["people (for face, smile)", "more (for wave)"]
    assert note["f1_cross_fitted"] == {"smile": 0.8, "wave": None}
    note = thresholds_note(note, ["all"], {"smile": 0.9}, chosen=["smile"], left=["face", "wave"])
    assert note["chosen_on"] == ["people (for face)", "more (for wave)", "all (for smile)"]
    assert thresholds_note(before, ["others"], {"wave": 0.95}, chosen=["wave"], left=[]) == {
        "chosen_on": ["others"],
        "f1_cross_fitted": {"wave": 0.95},
    }


class Reddened:
    """Finds one face in every picture, and takes it for what the picture's red says."""

    info = ServedModel(
        "test", "1", "test", (), {"face": 0.7, "hand": 0.5}, 64, 64, {"face": ("smile",), "hand": ()}
    )

    def __init__(self, _: object) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        frame = frames[0]
        red = float(frame[..., 0].mean()) / 255
        # The darkest is found less surely than the model asks for.
        return [[Region("face", Box(0.0, 0.0, 1.0, 1.0), 0.6 if red < 0.14 else 0.9, {"smile": red})]]


def test_thresholds_that_are_not_chosen_are_those_that_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue_lab.export.thresholds.LiteRtDetector", Reddened)
    photos = []
    for number, red in enumerate((30, 40, 120)):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((8, 8, 3), (0, 0, red), np.uint8))
        face = Sample("face", np.array([0, 0, 8, 8], np.float32), "" if red == 40 else "smile")
        photos.append(Photo("p0", f"p0/{number}", path, 8, 8, [face]))
    lines: list[str] = []
    thresholds, cross_fitted = choose_thresholds(
        tmp_path, photos, without=("face", "hand"), report=lines.append
    )
    # The first picture's face is below the model's threshold of faces, so its smile cannot be shown.
    assert list(thresholds) == ["smile"]
    assert 0.15 < thresholds["smile"] < 0.47
    assert cross_fitted == {"smile": None}
    assert lines == [
        f"smile: threshold {thresholds['smile']:.2f}, cross-fitted F1 not measurable with one group, 2 labelled"
    ]
    chosen, _ = choose_thresholds(tmp_path, photos, without=("smile",), report=lines.append)
    assert list(chosen) == ["face", "hand"]
    assert lines[-1].startswith("face: threshold ")
