from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from gifcue.errors import ConfigError
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.reactions import (
    PRESETS,
    ReactionPresets,
    ReactionSettings,
    hold,
    motion,
    policy,
    policy_preset,
    tracks,
)
from gifcue.reactions.preset_values import PresetName


def test_presets_have_the_same_labels_and_increasing_dwells() -> None:
    careful, normal, playful = (policy_preset(name) for name in PRESETS)
    assert careful.reaction_labels == normal.reaction_labels == playful.reaction_labels
    for label in normal.reaction_labels:
        dwells = [each.labels[label].dwell_s for each in (playful, normal, careful)]
        starts = [each.labels[label].start for each in (playful, normal, careful)]
        assert dwells == sorted(set(dwells))
        assert starts == sorted(set(starts))


def test_given_settings_override_the_preset() -> None:
    given = {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}, "victory": {"kind": "hand"}}}
    made = ReactionSettings.model_validate(given)
    careful = policy_preset("careful")
    assert made.labels["smile"].dwell_s == 2.0
    assert made.labels["smile"].start == careful.labels["smile"].start
    assert made.labels["wave"] == careful.labels["wave"]
    assert made.swings == careful.swings
    assert made.labels["victory"].kind == "hand"


def test_overrides_apply_to_another_preset() -> None:
    given = {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}}, "swings": {"max_rest_s": 1.5}}
    made = ReactionSettings.model_validate(given).with_preset("playful")
    playful = policy_preset("playful")
    assert made.preset == "playful"
    assert made.labels["smile"] == playful.labels["smile"].model_copy(update={"dwell_s": 2.0})
    assert made.swings == playful.swings.model_copy(update={"max_rest_s": 1.5})
    assert made.labels["wave"] == playful.labels["wave"]
    assert made.min_votes == playful.min_votes


def test_an_override_equal_to_the_preset_applies_to_another_preset() -> None:
    made = ReactionSettings.model_validate({"labels": {"smile": {"dwell_s": 0.8}}})
    assert made.labels == policy_preset("normal").labels
    assert made.with_preset("careful").labels["smile"].dwell_s == 0.8


def test_only_overrides_apply_to_another_preset() -> None:
    given = {"preset": "playful", "labels": {"smile": {"dwell_s": 2.0}}}
    made = ReactionSettings.model_validate(given)
    assert made.with_preset("careful").with_preset("playful") == made
    assert made.for_stream(subject=SubjectPolicy.LARGEST).with_preset("playful") == made
    changed = policy_preset("normal").model_dump()
    changed["labels"]["smile"]["dwell_s"] = 2.0
    assert made.with_preset("normal").model_dump() == changed


def test_what_is_dumped_can_be_read() -> None:
    made = ReactionSettings.model_validate({"preset": "playful", "labels": {"smile": {"dwell_s": 2.0}}})
    assert ReactionSettings.model_validate(made.model_dump()).model_dump() == made.model_dump()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_number_of_the_presets_is_the_recorded_one(preset: PresetName) -> None:
    # Recorded from the release on which the published reactions were measured.
    recorded = json.loads((Path(__file__).parent / "presets.json").read_text(encoding="utf-8"))[preset]
    fixed = {key: recorded.pop(key) for key in ("min_misses", "max_backstep_s")}
    for table, keys in (
        ("swings", ("under_way_share", "under_way_of_last")),
        ("tracks", ("min_iou", "max_jump", "max_scale", "speed_over_s")),
    ):
        fixed |= {key: recorded[table].pop(key) for key in keys}
    recorded["holding_votes"] = recorded.pop("telling_votes")
    for label in recorded["labels"].values():
        label |= {"min_height": None, "already_shown": "once"}
    assert policy_preset(preset).model_dump() == recorded
    assert fixed == {
        "min_misses": hold.MIN_MISSES,
        "max_backstep_s": policy.MAX_BACKSTEP_S,
        "under_way_share": motion.UNDER_WAY_SHARE,
        "under_way_of_last": motion.UNDER_WAY_OF_LAST,
        "min_iou": tracks.MIN_IOU,
        "max_jump": tracks.MAX_JUMP,
        "max_scale": tracks.MAX_SCALE,
        "speed_over_s": tracks.SPEED_OVER_S,
    }


def test_presets_are_prepared_once_for_all_streams() -> None:
    own = ReactionSettings.model_validate({"preset": "playful", "labels": {"smile": {"dwell_s": 2.0}}})
    presets = ReactionPresets(own)
    assert presets.choose("") is own
    assert presets.choose("careful") is presets.choose("careful")
    assert [presets.choose(preset) for preset in PRESETS] == [own.with_preset(preset) for preset in PRESETS]
    assert presets.refused == {}


def test_a_preset_that_conflicts_with_the_overrides_is_refused_and_reported() -> None:
    presets = ReactionPresets(ReactionSettings.model_validate({"labels": {"smile": {"start": 0.62}}}))
    reason = "preset careful: labels.smile: expected stay to be at most start, 0.62, got 0.65"
    assert presets.refused == {"careful": reason}
    with pytest.raises(ConfigError, match=reason):
        presets.choose("careful")
    with pytest.raises(ConfigError, match="expected one of careful, normal, playful, got 'wild'"):
        presets.choose("wild")
    assert presets.choose("playful").labels["smile"].start == 0.62


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match="expected one of careful, normal, playful, got 'wild'"):
        policy_preset("wild")
    with pytest.raises(ConfigError, match="wild"):
        ReactionSettings().with_preset("wild")
    with pytest.raises(ValidationError, match="preset"):
        ReactionSettings.model_validate({"preset": "wild"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"labels": {"smile": {"start": 0.62}}},
            r"^preset careful: labels\.smile: expected stay to be at most start, 0\.62, got 0\.65$",
        ),
        (
            {"min_votes": 2},
            r"^preset careful: expected min_analysed_votes to be at most min_votes, 2, got 3$",
        ),
    ],
)
def test_overrides_that_conflict_with_another_preset_are_reported(
    given: dict[str, object], words: str
) -> None:
    made = ReactionSettings.model_validate(given)
    with pytest.raises(ConfigError, match=words):
        made.with_preset("careful")


def test_a_streams_settings_override_all_others() -> None:
    made = ReactionSettings.model_validate({"preset": "careful", "subject": "centre"})
    assert made.for_stream() == made
    asked = made.for_stream(speaking_suppresses_hands=False, subject=SubjectPolicy.LARGEST)
    assert (asked.speaking_suppresses_hands, asked.subject) == (False, "largest")
    assert asked.labels == made.labels


@pytest.mark.parametrize(
    "given",
    [
        {"labels": {"wave": {"stay": 0.9}}},
        {"labels": {"wave": {"hand_at_face": True}}},
        {"labels": {"wave": {"dwel_s": 1.0}}},
        {"labels": {"peace": {}}},
        {"labels": {"wave": {"motion": "up"}}},
        {"min_votes": 1, "min_analysed_votes": 2},
        {"labels": 3},
        {"swings": {"min_swings": 0}},
        [],
    ],
)
def test_contradicting_settings_are_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        ReactionSettings.model_validate(given)


def test_a_custom_gesture_has_the_values_of_the_preset_unless_the_settings_give_others() -> None:
    for preset in PRESETS:
        made = policy_preset(preset).with_gestures(["fan"])
        assert made.labels["fan"] == policy_preset(preset).labels["ok_hand"]
        assert made.reaction_labels == (*policy_preset(preset).reaction_labels, "fan")
    own = ReactionSettings.model_validate(
        {"labels": {"fan": {"kind": "hand", "dwell_s": 2.0, "enabled": False}}}
    )
    assert own.with_gestures(["fan"]).labels["fan"].dwell_s == 2.0
    assert "fan" not in own.with_gestures(["fan"]).reaction_labels
    assert own.with_gestures(["fan"]) is own
