"""Poses that are shown when the video begins."""

from __future__ import annotations

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions import ReactionSettings
from tests.support.people import Scene, face, play, policy, started, times

IGNORED = ReactionSettings.model_validate({"labels": {"smile": {"already_shown": "ignore"}}})


def smiles(*spans: tuple[float, float]) -> Scene:
    def scene(at_s: float) -> list[Region]:
        return [face(smile=0.97 if any(begin <= at_s < end for begin, end in spans) else 0.02)]

    return scene


def test_a_smile_from_the_first_frame_on_counts_once_or_not_at_all() -> None:
    assert started(play(policy(), smiles((0.0, 9.0)), times(9.0))) == ["smile"]
    assert started(play(policy(IGNORED), smiles((0.0, 9.0)), times(9.0))) == []


@pytest.mark.parametrize("fps", [3.0, 10.0, 30.0])
def test_the_next_smile_counts(fps: float) -> None:
    events = play(policy(IGNORED), smiles((0.0, 2.0), (4.0, 7.0)), times(8.0, fps))
    (begun,) = [event.at_s for event in events if event.phase.value == "started"]
    assert 4.8 <= begun + 1e-6 <= 5.2


def test_a_short_miss_does_not_make_it_a_new_smile() -> None:
    # Half a second is less than the release.
    assert started(play(policy(IGNORED), smiles((0.0, 2.0), (2.5, 9.0)), times(9.0))) == []


def test_a_smile_that_begins_later_is_not_delayed() -> None:
    at = [
        [event.at_s for event in play(policy(each), smiles((1.0, 4.0)), times(5.0))]
        for each in (ReactionSettings(), IGNORED)
    ]
    assert at[0] == at[1] != []


def test_after_a_gap_the_video_begins_anew() -> None:
    made = policy(IGNORED)
    assert started(play(made, smiles((1.0, 3.0)), times(4.0))) == ["smile"]
    # The cooldown has passed meanwhile.
    assert started(play(made, smiles((20.0, 30.0)), times(25.0, from_s=20.0))) == []


def test_skipped_frames_are_no_sign_that_the_pose_is_gone() -> None:
    def scene(at_s: float) -> list[Region] | None:
        return [face(smile=0.97)] if at_s == 0.0 or at_s >= 1.5 else None

    assert started(play(policy(IGNORED), scene, times(6.0))) == []


def test_the_explanation_says_what_is_waited_for() -> None:
    made = policy(IGNORED)
    play(made, smiles((0.0, 1.0)), times(1.0))
    assert {each.label: each.condition for each in made.explain()}["smile"] == "already_shown"
    play(made, smiles(), times(2.0, from_s=1.0))
    assert {each.label: each.condition for each in made.explain()}["smile"] == "score"


def test_a_label_that_is_allowed_later_has_been_watched_all_the_time() -> None:
    made = policy(IGNORED, allowed=["wave"])
    assert started(play(made, smiles(), times(3.0))) == []
    made.set_allowed(frozenset({"smile"}), 3.0)
    # A tenth of a second later: it was not there when the video began.
    assert started(play(made, smiles((3.1, 6.0)), times(6.0, from_s=3.0))) == ["smile"]


def test_a_smile_from_before_a_label_is_allowed_is_ignored_as_well() -> None:
    made = policy(IGNORED, allowed=["wave"])
    play(made, smiles((0.0, 9.0)), times(3.0))
    made.set_allowed(frozenset({"smile"}), 3.0)
    assert started(play(made, smiles((0.0, 9.0)), times(9.0, from_s=3.0))) == []


def test_consent_that_is_withdrawn_for_a_moment_is_no_new_video() -> None:
    made = policy(IGNORED)
    play(made, smiles(), times(2.0))
    made.set_allowed(frozenset(), 2.0)
    made.set_allowed(frozenset({"smile"}), 2.1)
    assert started(play(made, smiles((2.2, 5.0)), times(5.0, from_s=2.1))) == ["smile"]
