"""Reactions and cooldowns that come from another server."""

from __future__ import annotations

import math

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions import Phase, PolicyEvent
from gifcue.reactions.settings import ReactionSettings
from tests.support.people import Scene, face, hand, phases, play, policy, started, times


def held(at_s: float) -> list[Region]:
    return [hand(thumbs_up=0.97)]


def nothing(at_s: float) -> list[Region]:
    return []


def waves(at_s: float) -> list[Region]:
    return [hand(0.3 + 0.08 * math.sin(2 * math.pi * at_s / 1.2), wave=0.9)]


@pytest.mark.parametrize("fps", [3.0, 10.0, 30.0])
@pytest.mark.parametrize(
    ("label", "scene"),
    [
        ("thumbs_up", held),
        # Less than a hold needs to begin, and enough for one to go on.
        ("thumbs_up", lambda at_s: [hand(thumbs_up=0.6)]),
        ("smile", lambda at_s: [face(smile=0.7)]),
        ("wave", waves),
    ],
    ids=["held", "uncertain", "smile", "wave"],
)
def test_a_reaction_goes_on_without_a_second_start(label: str, scene: Scene, fps: float) -> None:
    made = policy()
    assert made.take_over({label: "r-elsewhere"}, {}) == []
    assert made.holding, "the next frame must be analysed"
    assert play(made, scene, times(8.0, fps, from_s=100.0)) == []
    assert made.running == {label: "r-elsewhere"}
    events = play(made, nothing, times(112.0, fps, from_s=108.0))
    assert [(each.reaction_id, each.phase, each.reason) for each in events] == [
        ("r-elsewhere", Phase.ENDED, "released")
    ]
    assert events[0].cooldown_s > 0.0


@pytest.mark.parametrize("fps", [3.0, 10.0, 30.0])
def test_a_pose_that_is_gone_ends_after_its_release(fps: float) -> None:
    made = policy()
    made.take_over({"thumbs_up": "r1"}, {})
    (ended,) = play(made, nothing, times(53.0, fps, from_s=50.0))
    assert ended.reason == "released"
    # Half a second, the next frame, and what two misses take at few frames a second.
    assert 0.5 - 1e-6 <= ended.at_s - 50.0 <= 0.5 + 1.0 / fps + 1e-6
    assert ended.score == 0.0


def test_a_release_time_longer_than_the_longest_gap_counts_in_full() -> None:
    settings = ReactionSettings()
    label = settings.labels["thumbs_up"].model_copy(update={"release_s": 2.0 * settings.max_gap_s})
    made = policy(settings.model_copy(update={"labels": {**settings.labels, "thumbs_up": label}}))
    made.take_over({"thumbs_up": "r1"}, {})
    (ended,) = play(made, nothing, times(60.0, from_s=50.0))
    assert (ended.reason, round(ended.at_s - 50.0, 1)) == ("released", 2.0 * settings.max_gap_s)


def test_one_missed_frame_after_the_move_ends_nothing() -> None:
    made = policy()
    made.take_over({"thumbs_up": "r1"}, {})
    assert play(made, lambda at_s: [] if at_s < 20.15 else held(at_s), times(25.0, 10.0, from_s=20.0)) == []


def test_a_cooldown_holds_from_the_first_frame_on_and_no_longer_than_the_labels_own() -> None:
    for left_s, expected_s in ((2.0, 2.0), (3600.0, 4.0)):
        made = policy()
        made.take_over({}, {"thumbs_up": left_s, "unknown": 5.0})
        events = play(made, held, times(1010.0, 10.0, from_s=1000.0))
        first = next(each for each in events if each.phase is Phase.STARTED)
        assert first.at_s == pytest.approx(1000.0 + expected_s + 0.5, abs=0.15)


def test_what_is_not_allowed_or_unknown_ends_at_once() -> None:
    made = policy(allowed=["smile"])
    events = made.take_over({"thumbs_up": "r1", "frown": "r2", "smile": "r3"}, {})
    assert [(each.label, each.reaction_id, each.phase, each.reason) for each in events] == [
        ("thumbs_up", "r1", Phase.ENDED, "not_allowed"),
        ("frown", "r2", Phase.ENDED, "not_allowed"),
    ]
    assert events[0].cooldown_s == pytest.approx(4.0)
    assert events[1].cooldown_s == 0.0
    # Its cooldown began before the first frame, and holds on the sender's clock.
    made.set_allowed(frozenset({"thumbs_up"}), 0.0)
    assert started(play(made, held, times(503.9, 10.0, from_s=500.0))) == []


def test_reactions_that_are_handed_over_have_no_event() -> None:
    made = policy()
    play(made, lambda at_s: [hand(thumbs_up=0.97), face(smile=0.95)], times(3.0))
    assert set(made.running) == {"thumbs_up", "smile"}
    events = made.finish(3.0, "draining", [made.running["smile"]])
    assert [(each.label, each.reason) for each in events] == [("thumbs_up", "draining")]
    assert not made.is_under_way


def test_a_hold_that_has_not_started_is_cancelled_and_begins_anew_elsewhere() -> None:
    first, second = policy(), policy()
    events: list[PolicyEvent] = play(first, held, times(0.4))
    events += first.finish(0.4, "draining", list(first.running.values()))
    assert phases(events) == ["holding", "cancelled"]
    after = play(second, held, times(1.4, from_s=0.4))
    start = next(each for each in after if each.phase is Phase.STARTED)
    assert start.at_s == pytest.approx(0.9, abs=0.11)


def test_what_goes_on_can_be_dismissed_before_the_first_frame() -> None:
    made = policy()
    made.take_over({"thumbs_up": "r1"}, {})
    (ended,) = made.dismiss("thumbs_up", "r1", 0.0)
    assert (ended.reaction_id, ended.reason) == ("r1", "dismissed")
    assert started(play(made, held, times(503.9, 10.0, from_s=500.0))) == []
