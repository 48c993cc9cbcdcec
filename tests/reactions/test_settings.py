from __future__ import annotations

import pytest
from pydantic import ValidationError

from gifcue.errors import ConfigError
from gifcue.reactions import PRESETS, ReactionSettings, policy_preset


def test_presets_have_the_same_labels_and_grow_more_careful() -> None:
    careful, normal, playful = (policy_preset(name) for name in PRESETS)
    assert careful.reaction_labels == normal.reaction_labels == playful.reaction_labels
    for label in normal.reaction_labels:
        dwells = [each.labels[label].dwell_s for each in (playful, normal, careful)]
        starts = [each.labels[label].start for each in (playful, normal, careful)]
        assert dwells == sorted(set(dwells))
        assert starts == sorted(set(starts))


def test_what_is_given_is_laid_over_the_preset() -> None:
    given = {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}, "victory": {"kind": "hand"}}}
    made = ReactionSettings.model_validate(given)
    careful = policy_preset("careful")
    assert made.labels["smile"].dwell_s == 2.0
    assert made.labels["smile"].start == careful.labels["smile"].start
    assert made.labels["wave"] == careful.labels["wave"]
    assert made.swings == careful.swings
    assert made.labels["victory"].kind == "hand"


def test_changes_go_along_to_another_preset() -> None:
    given = {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}}, "swings": {"max_rest_s": 1.5}}
    made = ReactionSettings.model_validate(given).with_preset("playful")
    playful = policy_preset("playful")
    assert made.preset == "playful"
    assert made.labels["smile"] == playful.labels["smile"].model_copy(update={"dwell_s": 2.0})
    assert made.swings == playful.swings.model_copy(update={"max_rest_s": 1.5})
    assert made.labels["wave"] == playful.labels["wave"]
    assert made.min_votes == playful.min_votes


def test_what_was_given_and_no_more_is_dumped_as_set() -> None:
    given = {"preset": "playful", "labels": {"smile": {"dwell_s": 2.0}}}
    made = ReactionSettings.model_validate(given)
    assert ReactionSettings.model_validate(made.model_dump(exclude_unset=True)) == made
    assert ReactionSettings.model_validate(made.model_dump()) == made
    dumped = made.model_dump(exclude_unset=True)
    assert {label: each for label, each in dumped["labels"].items() if each} == {"smile": {"dwell_s": 2.0}}
    assert set(dumped) == {"preset", "labels"}


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
def test_changes_that_do_not_go_with_another_preset_are_told(given: dict[str, object], words: str) -> None:
    made = ReactionSettings.model_validate(given)
    with pytest.raises(ConfigError, match=words):
        made.with_preset("careful")


def test_what_a_stream_asks_for_goes_over_the_rest() -> None:
    made = ReactionSettings.model_validate({"preset": "careful", "subject": "centre"})
    assert made.for_stream() == made
    asked = made.for_stream(speaking_suppresses_hands=False, subject="largest")
    assert (asked.speaking_suppresses_hands, asked.subject) == (False, "largest")
    assert asked.labels == made.labels


@pytest.mark.parametrize(
    "given",
    [
        {"labels": {"wave": {"stay": 0.9}}},
        {"labels": {"wave": {"hand_at_face": True}}},
        {"labels": {"wave": {"dwel_s": 1.0}}},
        {"labels": {"victory": {}}},
        {"labels": {"wave": {"motion": "up"}}},
        {"min_votes": 1, "min_analysed_votes": 2},
        {"labels": 3},
        {"swings": {"min_swings": 0}},
        [],
    ],
)
def test_what_cannot_be_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        ReactionSettings.model_validate(given)
