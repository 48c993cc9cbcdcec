"""The extra gestures: their classifier, and what enables them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.extra_gestures import EXTRA_GESTURES
from gifcue.detect.gesture_classifier import gesture_probabilities, read_classifier
from gifcue.errors import ConfigError
from gifcue.gestures.extra import SHIPPED, read_extra
from gifcue.gestures.library import GestureLibrary
from gifcue.gestures.samples import GestureError
from tests.support.gestures import gesture
from tests.support.hand_shapes import SHAPES, hand_shape

# What is none of them, or one of the model's gestures.
OTHERS = {
    "two fingers": SHAPES["victory"],
    "a fist": SHAPES["fist"],
    "one finger": hand_shape("i", "over"),
    "three fingers": hand_shape("imr", "over"),
    "four fingers": hand_shape("imrl", "over"),
    "the letter L": hand_shape("i", "out"),
    "thumbs up": hand_shape("", "out", turn=60.0),
}


def test_the_file_has_every_extra_gesture_and_nothing_of_single_hands() -> None:
    classifier = read_classifier(SHIPPED)
    assert set(EXTRA_GESTURES) <= set(classifier.labels)
    assert not classifier.examples.size
    assert SHIPPED.stat().st_size < 100_000


@pytest.mark.parametrize("name", EXTRA_GESTURES)
@pytest.mark.parametrize("side", [1, -1])
def test_a_drawn_hand_is_its_gesture_and_no_other(name: str, side: int) -> None:
    landmarks = SHAPES[name] * np.array([side, 1, 1], np.float32)
    found = gesture_probabilities(read_extra(EXTRA_GESTURES), landmarks, 1.0)
    threshold = read_classifier(SHIPPED).threshold
    assert [label for label, score in found.items() if score >= threshold] == [name]


@pytest.mark.parametrize("name", OTHERS)
def test_other_drawn_hands_are_none_of_them(name: str) -> None:
    found = gesture_probabilities(read_extra(EXTRA_GESTURES), OTHERS[name], 1.0)
    assert max(found.values()) < read_classifier(SHIPPED).threshold


def test_only_what_is_enabled_is_reported() -> None:
    assert read_extra([]) == []
    (classifier,) = read_extra(["rock"])
    assert set(gesture_probabilities([classifier], SHAPES["rock"], 1.0)) == {"rock"}
    all_of_them = gesture_probabilities(read_extra(EXTRA_GESTURES), SHAPES["rock"], 1.0)
    alone = gesture_probabilities([classifier], SHAPES["rock"], 1.0)
    assert alone["rock"] == pytest.approx(all_of_them["rock"])


def test_a_custom_gesture_of_the_same_name_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(gesture("rock").as_json())
    assert GestureLibrary(tmp_path, reserved=["fist"]).labels == ("rock",)
    with pytest.raises(
        ConfigError, match=r"detect\.extra_gestures: expected .* got rock, which mine\.json in .* has"
    ):
        GestureLibrary(tmp_path, reserved=["fist", "rock"])


async def test_one_that_comes_later_is_reported_and_not_served(tmp_path: Path) -> None:
    library = GestureLibrary(tmp_path, reserved=["rock"])
    with pytest.raises(GestureError, match="expected a new label, got rock, which an extra gesture has"):
        await library.keep(gesture("rock"))
    (tmp_path / "mine.json").write_bytes(gesture("rock").as_json())
    reloaded = await library.reload()
    assert reloaded.labels == ()
    assert reloaded.problems == {
        "mine.json": "expected a label of its own, got rock, which detect.extra_gestures has"
    }
