"""A raised hand is an open palm that is high and keeps still. A wave is one that moves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from gifcue.detect.regions import Region
from gifcue.reactions import PRESETS, Phase, ReactionPolicy, ReactionSettings, policy_preset
from gifcue.reactions.preset_values import PresetName
from tests.support.people import Scene, face, hand, play, policy, started, times

# The face is 0.3 high, and its chin is at 0.55.
FACE = face(0.5, 0.4)
BESIDE_FACE, BESIDE_CHEST = 0.38, 0.75


def enabled(preset: str = "normal", labels: dict[str, Any] | None = None) -> ReactionPolicy:
    given = ReactionSettings.model_validate({"preset": preset, "labels": labels or {}})
    return policy(given.with_extra_gestures(["raised_hand"]))


def palm(x: float = 0.2, y: float = BESIDE_FACE, **attributes: float) -> Region:
    return hand(x, y, 0.1, landmarks=True, **{"raised_hand": 0.95, "wave": 0.93, **attributes})


def raised(y: float = BESIDE_FACE, *, with_face: bool = True) -> Scene:
    return lambda _: [palm(y=y), *([FACE] if with_face else [])]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("fps", [4.0, 10.0])
def test_a_palm_that_keeps_still_beside_the_face_is_a_raised_hand(preset: PresetName, fps: float) -> None:
    events = play(enabled(preset), raised(), times(6.0, fps))
    assert started(events) == ["raised_hand"]
    dwell_s = policy_preset(preset).with_extra_gestures(["raised_hand"]).labels["raised_hand"].dwell_s
    (begun,) = [event.at_s for event in events if event.phase is Phase.STARTED]
    assert dwell_s <= begun <= dwell_s + 0.25


def test_a_raised_hand_is_none_without_being_enabled() -> None:
    assert started(play(policy(), raised(), times(4.0))) == []


def why(made: ReactionPolicy) -> str:
    return next(each.condition for each in made.explain() if each.label == "raised_hand")


@pytest.mark.parametrize(
    ("scene", "condition"),
    [(raised(BESIDE_CHEST), "height"), (raised(with_face=False), "height")],
    ids=["at the chest", "without a face"],
)
def test_a_palm_that_is_not_high_is_no_raised_hand(scene: Scene, condition: str) -> None:
    made = enabled()
    assert started(play(made, scene, times(5.0))) == []
    assert why(made) == condition


@pytest.mark.parametrize("hz", [0.4, 0.8, 1.3, 1.9])
@pytest.mark.parametrize("reach", [1.0, 2.0])
@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_a_wave_is_no_raised_hand(hz: float, reach: float, fps: float) -> None:
    def scene(at_s: float) -> list[Region]:
        return [palm(0.2 + 0.05 * reach * math.sin(math.tau * hz * at_s)), FACE]

    assert started(play(enabled(), scene, times(8.0, fps))) == ["wave"]


def test_a_wave_at_whose_end_the_hand_stays_up_is_both() -> None:
    def scene(at_s: float) -> list[Region]:
        return [palm(0.2 + 0.08 * math.sin(math.tau * at_s) * (at_s < 3.0)), FACE]

    made = enabled()
    assert started(play(made, scene, times(3.0))) == ["wave"]
    assert why(made) in ("still", "speed")
    assert started(play(made, scene, times(8.0, from_s=3.0))) == ["raised_hand"]


def test_a_hand_that_trembles_is_raised_nevertheless() -> None:
    def scene(at_s: float) -> list[Region]:
        return [palm(0.2 + 0.006 * math.sin(math.tau * 1.5 * at_s)), FACE]

    assert started(play(enabled(), scene, times(5.0))) == ["raised_hand"]


def test_a_clearer_gesture_comes_first() -> None:
    assert started(play(enabled(), lambda _: [palm(ok_hand=0.97), FACE], times(5.0))) == ["ok_hand"]


def test_a_part_of_its_settings_lies_over_the_presets() -> None:
    made = enabled(labels={"raised_hand": {"dwell_s": 3.0}})
    begun = [event.at_s for event in play(made, raised(), times(6.0)) if event.phase is Phase.STARTED]
    assert begun == [pytest.approx(3.0)]
    settings = ReactionSettings.model_validate({"labels": {"raised_hand": {"enabled": False}}})
    assert "raised_hand" not in settings.with_extra_gestures(["raised_hand"]).reaction_labels


def test_height_is_of_hands_only() -> None:
    with pytest.raises(ValidationError, match="expected min_height only on a label of kind hand"):
        ReactionSettings.model_validate({"labels": {"nod": {"kind": "face", "min_height": 0.5}}})
