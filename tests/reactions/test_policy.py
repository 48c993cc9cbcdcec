"""The reaction policy: a reaction within half a second of the dwell for a held pose, and none otherwise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions import Phase, ReactionSettings
from tests.support.people import Scene, face, hand, phases, play, policy, started, times

HAND_LABELS = ("ok_hand", "thumbs_up")


def shown(label: str, begin_s: float, end_s: float, *, without: tuple[float, ...] = ()) -> Scene:
    """A still hand that shows a label from one time to another, missed in the frames at `without`."""

    attributes: dict[str, Any] = {label: 0.97}

    def scene(at_s: float) -> list[Region]:
        missed = any(abs(at_s - miss_s) < 1e-6 for miss_s in without)
        return [hand(**attributes)] if begin_s <= at_s < end_s and not missed else []

    return scene


@pytest.mark.parametrize("label", HAND_LABELS)
@pytest.mark.parametrize("fps", [3.0, 5.0, 10.0, 30.0])
def test_a_held_gesture_fires_once_within_a_quarter_second_of_its_dwell(label: str, fps: float) -> None:
    events = play(policy(), shown(label, 0.5, 3.0), times(5.0, fps))
    assert phases(events) == ["holding", "started", "ended"]
    assert len({event.reaction_id for event in events}) == 1
    first = next(event for event in events if event.phase is Phase.STARTED)
    onset_s = next(at_s for at_s in times(5.0, fps) if at_s >= 0.5)
    assert first.at_s - onset_s + 1e-6 >= 0.5
    assert first.at_s - onset_s <= 0.75
    assert first.score == pytest.approx(0.97)
    assert events[-1].reason == "released"


def test_progress_grows_and_stays_below_one_until_the_start() -> None:
    events = play(policy(), shown("thumbs_up", 0.0, 3.0), times(1.0, 10))
    progress = [event.progress for event in events if event.phase is Phase.HOLDING]
    assert progress == sorted(progress)
    assert all(0.0 < each < 1.0 for each in progress)
    assert events[-1].phase is Phase.STARTED
    assert events[-1].progress == 1.0


@pytest.mark.parametrize("fps", [3.0, 5.0, 10.0, 30.0])
@pytest.mark.parametrize("held_s", [0.1, 0.2, 0.3, 0.4, 0.45])
def test_a_gesture_dropped_before_its_dwell_never_fires(fps: float, held_s: float) -> None:
    events = play(policy(), shown("thumbs_up", 0.5, 0.5 + held_s), times(4.0, fps))
    assert phases(events) in ([], ["holding", "cancelled"])
    if fps >= 10 and held_s >= 0.3:
        assert events[-1].reason == "released"


@pytest.mark.parametrize("fps", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("preset", ["careful", "normal", "playful"])
def test_a_flicker_of_one_frame_never_fires(fps: float, preset: str) -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(thumbs_up=0.99 if round(at_s * fps) % 7 == 3 else 0.02)]

    assert phases(play(policy(ReactionSettings(preset=preset)), scene, times(20.0, fps))) == []


def test_a_flicker_followed_by_skipped_frames_never_fires() -> None:
    def scene(at_s: float) -> list[Region] | None:
        return [hand(thumbs_up=0.99)] if at_s == 0.0 else None

    assert started(play(policy(), scene, times(1.9, 10))) == []


@pytest.mark.parametrize("fps", [3.0, 5.0, 10.0, 30.0])
def test_one_missed_frame_never_ends_a_hold(fps: float) -> None:
    at = times(4.0, fps)
    missed = (at[2], at[5])
    events = play(policy(), shown("thumbs_up", 0.0, 3.0, without=missed), at)
    assert phases(events) == ["holding", "started", "ended"]


def test_one_contradicting_frame_never_ends_a_hold() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(thumbs_up=0.01 if abs(at_s - 0.3) < 1e-6 or abs(at_s - 1.5) < 1e-6 else 0.97)]

    assert phases(play(policy(), scene, times(3.0))) == ["holding", "started"]


def test_between_the_stay_and_start_scores_a_hold_continues_but_none_begins() -> None:
    assert play(policy(), lambda at_s: [hand(thumbs_up=0.6)], times(5.0)) == []
    events = play(policy(), lambda at_s: [hand(thumbs_up=0.97 if at_s < 1.0 else 0.6)], times(5.0))
    assert phases(events) == ["holding", "started"]


def test_an_uncertain_pose_is_not_pending_for_ever() -> None:
    made = policy()
    events = play(made, lambda at_s: [hand(thumbs_up=0.97 if round(at_s * 10) % 2 else 0.6)], times(6.0))
    assert started(events) == []
    assert phases(events)[:2] == ["holding", "cancelled"]


def test_the_same_hold_fires_once_however_long() -> None:
    assert started(play(policy(), shown("ok_hand", 0.0, 60.0), times(60.0))) == ["ok_hand"]


def test_cooldown_runs_from_the_end() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(thumbs_up=0.97)] if at_s % 2.0 < 1.0 else []

    events = play(policy(), scene, times(20.0))
    ended = [event.at_s for event in events if event.phase is Phase.ENDED]
    again = [event.at_s for event in events if event.phase is Phase.STARTED][1:]
    assert len(again) >= 2
    assert all(begun - end >= 4.0 + 0.5 - 1e-6 for end, begun in zip(ended, again, strict=False))


def test_labels_have_separate_cooldowns() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(thumbs_up=0.97)] if at_s < 1.5 else [hand(ok_hand=0.9)]

    assert started(play(policy(), scene, times(4.0))) == ["thumbs_up", "ok_hand"]


def test_two_thumbs_up_are_one_reaction_until_both_are_down() -> None:
    def scene(at_s: float) -> list[Region]:
        left, right = hand(0.2, thumbs_up=0.97), hand(0.8, thumbs_up=0.97)
        return [left, right] if at_s < 2.0 else [right] if at_s < 4.0 else []

    events = play(policy(), scene, times(6.0))
    assert phases(events) == ["holding", "started", "ended"]
    assert events[-1].at_s > 4.0


def test_a_hand_that_moves_through_never_fires() -> None:
    # Across the picture in a second and back: four hand widths per second, with the thumb up.
    def scene(at_s: float) -> list[Region]:
        return [hand(0.1 + 0.4 * (at_s % 2.0 if at_s % 2.0 < 1.0 else 2.0 - at_s % 2.0), thumbs_up=0.97)]

    assert started(play(policy(), scene, times(6.0))) == []


def test_a_hand_that_comes_up_and_stops_fires_from_where_it_stops() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(0.25, max(0.4, 0.95 - 0.9 * at_s), thumbs_up=0.97)]

    events = play(policy(), scene, times(3.0))
    first = next(event for event in events if event.phase is Phase.STARTED)
    assert 0.6 + 0.5 <= first.at_s <= 0.6 + 0.5 + 0.4


def test_a_hand_over_the_face_never_fires() -> None:
    def scene(at_s: float) -> list[Region]:
        return [face(0.5, 0.4, 0.25), hand(0.5, 0.45, thumbs_up=0.97, ok_hand=0.1)]

    assert started(play(policy(), scene, times(4.0))) == []


@pytest.mark.parametrize("label", ["thumbs_up", "ok_hand", "wave"])
def test_a_hand_that_hides_the_face_never_fires(label: str) -> None:
    attributes: dict[str, Any] = {label: 0.97}

    def scene(at_s: float) -> list[Region]:
        if at_s < 1.0:
            return [face()]
        sway = 0.03 * math.sin(2 * math.pi * 1.5 * at_s) if label == "wave" else 0.0
        # The detector no longer sees the face behind it.
        return [hand(0.5 + sway, 0.4, 0.12, **attributes)]

    assert started(play(policy(), scene, times(8.0))) == []


def test_a_hand_counts_again_beside_the_face_that_it_hid() -> None:
    def scene(at_s: float) -> list[Region]:
        if at_s < 1.0:
            return [face()]
        if at_s < 4.0:
            return [hand(0.5, 0.4, 0.12, thumbs_up=0.97)]
        return [face(), hand(0.15, 0.4, 0.12, thumbs_up=0.97)]

    events = play(policy(), scene, times(6.0))
    assert started(events) == ["thumbs_up"]
    assert next(event.at_s for event in events if event.phase is Phase.STARTED) > 4.0


@pytest.mark.parametrize("missed_s", [0.5, 0.9])
def test_a_hand_that_is_not_found_for_a_while_still_hides_the_face(missed_s: float) -> None:
    def scene(at_s: float) -> list[Region]:
        if at_s < 1.0:
            return [face()]
        # Another person appears at the side and is distinguished from the hidden one.
        guest = [face(0.9, 0.3, 0.1)] if 2.0 <= at_s < 2.5 else []
        return guest if 3.0 <= at_s < 3.0 + missed_s else [*guest, hand(0.5, 0.4, 0.12, thumbs_up=0.97)]

    assert started(play(policy(), scene, times(8.0))) == []


def test_a_hand_beside_the_face_fires() -> None:
    def scene(at_s: float) -> list[Region]:
        return [face(0.5, 0.4, 0.25), hand(0.66, 0.45, thumbs_up=0.97)]

    assert started(play(policy(), scene, times(2.0))) == ["thumbs_up"]


@pytest.mark.parametrize(("score", "expected"), [(0.1, ["thinking"]), (0.01, [])])
def test_a_hand_at_the_chin_may_be_too_uncertain_to_be_followed(score: float, expected: list[str]) -> None:
    def scene(at_s: float) -> list[Region]:
        return [face(thinking=0.95), replace(hand(0.5, 0.55, thumbs_up=0.97), score=score)]

    assert started(play(policy(), scene, times(4.0))) == expected


def test_thinking_needs_a_hand_at_the_chin() -> None:
    def scene(at_s: float) -> list[Region]:
        return [face(thinking=0.95)] + ([hand(0.5, 0.55)] if at_s >= 3.0 else [hand(0.1, 0.8)])

    events = play(policy(), scene, times(6.0))
    first = next(event for event in events if event.phase is Phase.STARTED)
    assert first.label == "thinking"
    assert first.at_s == pytest.approx(3.0 + 1.2, abs=0.11)


def test_the_likelier_of_two_poses_wins() -> None:
    events = play(policy(), lambda at_s: [hand(thumbs_up=0.75, ok_hand=0.8)], times(2.0))
    assert started(events) == ["ok_hand"]


def test_a_smile_has_a_longer_dwell() -> None:
    events = play(policy(), lambda at_s: [face(smile=0.9)], times(2.0))
    assert next(event.at_s for event in events if event.phase is Phase.STARTED) == pytest.approx(0.8)


def test_labels_that_are_not_allowed_have_no_events() -> None:
    made = policy(allowed=["smile"])
    assert started(play(made, lambda at_s: [hand(thumbs_up=0.97), face(smile=0.9)], times(3.0))) == ["smile"]
    nobody = policy(allowed=[])
    assert play(nobody, lambda at_s: [hand(thumbs_up=0.97)], times(3.0)) == []
    assert not nobody.holding


def test_a_label_no_longer_allowed_ends_at_once_and_keeps_its_cooldown() -> None:
    made = policy()
    play(made, shown("thumbs_up", 0.0, 9.0), times(2.0))
    events = made.set_allowed(frozenset({"ok_hand"}), 2.0)
    assert [(event.phase, event.reason) for event in events] == [(Phase.ENDED, "not_allowed")]
    assert made.set_allowed(frozenset({"thumbs_up"}), 2.0) == []
    again = play(made, shown("thumbs_up", 0.0, 9.0), times(8.0, from_s=2.1))
    assert next(event.at_s for event in again if event.phase is Phase.STARTED) >= 2.0 + 4.0


def test_a_hold_of_a_label_no_longer_allowed_is_cancelled() -> None:
    made = policy()
    play(made, shown("thumbs_up", 0.0, 9.0), times(0.4))
    events = made.set_allowed(frozenset(), 0.4)
    assert [(event.phase, event.reason) for event in events] == [(Phase.CANCELLED, "not_allowed")]
    assert not made.holding


def test_speaking_holds_back_hands_where_the_settings_say_so() -> None:
    settings = ReactionSettings(speaking_suppresses_hands=True)
    made = policy(settings)
    play(made, shown("thumbs_up", 0.0, 9.0), times(0.4))
    events = made.set_speaking(True, 0.4)
    assert [(event.phase, event.reason) for event in events] == [(Phase.CANCELLED, "speaking")]
    both = play(made, lambda at_s: [hand(thumbs_up=0.97), face(smile=0.9)], times(3.0, from_s=0.5))
    assert started(both) == ["smile"]
    assert made.set_speaking(False, 3.0) == []
    assert started(play(made, shown("thumbs_up", 0.0, 9.0), times(5.0, from_s=3.0))) == ["thumbs_up"]


def test_speaking_does_not_end_what_has_started_nor_matter_by_default() -> None:
    settings = ReactionSettings(speaking_suppresses_hands=True)
    made = policy(settings)
    play(made, shown("thumbs_up", 0.0, 9.0), times(1.0))
    assert made.set_speaking(True, 1.0) == []
    assert play(made, shown("thumbs_up", 0.0, 9.0), times(2.0, from_s=1.1)) == []
    careless = policy()
    careless.set_speaking(True, 0.0)
    assert started(play(careless, shown("thumbs_up", 0.0, 9.0), times(2.0))) == ["thumbs_up"]


def test_finish_ends_everything_with_the_callers_reason() -> None:
    made = policy()
    play(made, lambda at_s: [hand(thumbs_up=0.97)] + [face(smile=0.9)] * (at_s > 1.0), times(1.5))
    events = made.finish(1.5, "left")
    assert [(event.label, event.phase, event.reason) for event in events] == [
        ("smile", Phase.CANCELLED, "left"),
        ("thumbs_up", Phase.ENDED, "left"),
    ]
    assert made.finish(1.6, "left") == []


def test_a_gap_ends_everything() -> None:
    made = policy()
    play(made, shown("thumbs_up", 0.0, 9.0), times(1.0))
    events = made.observe([hand(thumbs_up=0.97)], 4.0)
    assert [(event.phase, event.reason) for event in events] == [(Phase.ENDED, "gap")]


def test_a_jump_back_ends_everything_and_what_is_left_of_a_cooldown_stays() -> None:
    made = policy()
    play(made, shown("thumbs_up", 100.0, 109.0), times(101.0, from_s=100.0))
    events = made.observe([hand(thumbs_up=0.97)], 1.0)
    assert [(event.phase, event.reason) for event in events] == [(Phase.ENDED, "clock_jump")]
    again = play(made, shown("thumbs_up", 0.0, 9.0), times(9.0, from_s=1.1))
    first = next(event for event in again if event.phase is Phase.STARTED)
    assert 1.0 + 4.0 + 0.5 - 1e-6 <= first.at_s <= 1.0 + 4.0 + 0.8


def test_a_result_that_comes_late_changes_nothing() -> None:
    made = policy()
    play(made, shown("thumbs_up", 0.0, 9.0), times(1.0))
    assert made.observe([], 0.85) == []
    assert made.inherit(0.8) == []
    assert play(made, shown("thumbs_up", 0.0, 9.0), times(1.5, from_s=1.0)) == []


def test_a_users_own_gesture_is_an_entry_in_the_settings() -> None:
    settings = ReactionSettings.model_validate({"labels": {"victory": {"kind": "hand", "dwell_s": 0.3}}})
    assert "victory" in settings.reaction_labels
    events = play(policy(settings), lambda at_s: [hand(victory=0.9)], times(1.0))
    assert next(event.at_s for event in events if event.phase is Phase.STARTED) == pytest.approx(0.3)


def test_a_label_taken_out_never_fires() -> None:
    settings = ReactionSettings.model_validate({"labels": {"smile": {"enabled": False}}})
    assert "smile" not in settings.reaction_labels
    assert play(policy(settings, allowed=["smile"]), lambda at_s: [face(smile=0.99)], times(3.0)) == []


def test_largest_takes_the_largest_face_and_its_hands() -> None:
    def scene(at_s: float) -> list[Region]:
        near, far = face(0.3, 0.4, 0.25), face(0.8, 0.4, 0.1, smile=0.95)
        return [near, far, hand(0.85, 0.6, 0.05, thumbs_up=0.97), hand(0.1, 0.6, ok_hand=0.9)]

    assert started(play(policy(ReactionSettings(subject="largest")), scene, times(2.0))) == ["ok_hand"]
    assert sorted(started(play(policy(), scene, times(2.0)))) == ["ok_hand", "smile", "thumbs_up"]


def test_centre_takes_the_face_in_the_middle() -> None:
    def scene(at_s: float) -> list[Region]:
        return [face(0.2, 0.4, 0.3, smile=0.95), face(0.55, 0.5, 0.1), hand(0.65, 0.6, 0.05, thumbs_up=0.97)]

    assert started(play(policy(ReactionSettings(subject="centre")), scene, times(2.0))) == ["thumbs_up"]


def test_the_subject_does_not_alternate_between_faces_of_equal_size() -> None:
    def scene(at_s: float) -> list[Region]:
        wobble = 0.01 if round(at_s * 10) % 2 else -0.01
        return [face(0.25, 0.4, 0.2 + wobble, smile=0.95), face(0.75, 0.4, 0.2 - wobble)]

    events = play(policy(ReactionSettings(subject="largest")), scene, times(5.0))
    assert phases(events) in ([], ["holding", "started"])


def test_holding_keeps_the_filter_from_skipping_only_while_it_matters() -> None:
    made = policy()
    assert not made.holding
    made.observe([hand(thumbs_up=0.97)], 0.0)
    assert made.holding
    play(made, shown("thumbs_up", 0.0, 9.0), times(0.6, from_s=0.1))
    assert not made.holding, "it has started: inherit keeps it going"
    made.observe([], 0.7)
    assert made.holding, "missed once: the next frame decides"
    play(made, shown("thumbs_up", 9.0, 9.0), times(1.5, from_s=0.8))
    assert not made.holding


def test_a_pose_held_still_goes_on_through_skipped_frames() -> None:
    def scene(at_s: float) -> list[Region] | None:
        return [hand(thumbs_up=0.97)] if at_s < 0.25 or round(at_s * 10) % 10 == 0 else None

    events = play(policy(), scene, times(10.0))
    assert phases(events) == ["holding", "started"]


def test_a_vanished_pose_ends_while_frames_are_skipped() -> None:
    def scene(at_s: float) -> list[Region] | None:
        if at_s < 1.0:
            return [hand(thumbs_up=0.97)]
        return [] if round(at_s * 10) % 10 == 0 else None

    events = play(policy(), scene, times(5.0))
    assert phases(events) == ["holding", "started", "ended"]
    assert events[-1].at_s <= 2.5


@pytest.mark.parametrize("preset", ["careful", "playful"])
def test_presets_differ_in_how_long_a_hold_takes(preset: str) -> None:
    events = play(policy(ReactionSettings(preset=preset)), shown("thumbs_up", 0.0, 5.0), times(3.0))
    first = next(event for event in events if event.phase is Phase.STARTED)
    assert first.at_s == pytest.approx({"careful": 0.8, "playful": 0.3}[preset])


@pytest.mark.parametrize("preset", ["careful", "normal", "playful"])
@pytest.mark.parametrize("fps", [1.0, 1.5, 2.0])
def test_stills_that_come_slowly_fire_as_well(preset: str, fps: float) -> None:
    settings = ReactionSettings.model_validate({"preset": preset})
    hands = play(policy(settings), lambda at_s: [hand(thumbs_up=0.97)], times(12.0, fps))
    faces = play(policy(settings), lambda at_s: [face(smile=0.97)], times(12.0, fps))
    assert (started(hands), started(faces)) == (["thumbs_up"], ["smile"])


def test_an_almost_complete_hold_requests_frames_for_a_while() -> None:
    smiling = policy()
    asked = []
    for at_s in times(5.0):
        smiling.observe([face(smile=0.75 if at_s >= 1.0 else 0.1)], at_s)
        asked.append(smiling.holding)
    # For 1.5 s from the first frame above `stay`. A permanent half smile requests no further frames.
    assert asked == [1.0 - 1e-9 <= at_s <= 2.5 + 1e-9 for at_s in times(5.0)]
    smiling.observe([face(smile=0.1)], 5.0)
    smiling.observe([face(smile=0.75)], 5.1)
    assert smiling.holding


def test_a_weakly_detected_hand_requests_frames() -> None:
    thinking = policy()
    thinking.observe([face(thinking=0.97), hand(0.5, 0.55, 0.08, score=0.01)], 0.0)
    assert thinking.holding


def test_a_started_label_is_not_almost_held() -> None:
    smiling = policy()
    play(smiling, lambda at_s: [face(smile=0.97), face(0.85, smile=0.1)], times(2.0))
    smiling.observe([face(smile=0.97), face(0.85, smile=0.75)], 2.0)
    assert not smiling.holding


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["thinking"]),
        ({"at_chin_share": 1.0}, []),
        ({"chin_top": 1.0}, []),
        ({"chin_bottom": 0.6}, []),
    ],
)
def test_where_the_chin_is_can_be_set(change: dict[str, float], expected: list[str]) -> None:
    settings = ReactionSettings.model_validate({"placement": change})
    scene = [face(thinking=0.97), hand(0.36, 0.5, 0.08)]
    assert started(play(policy(settings), lambda at_s: scene, times(4.0))) == expected


def test_how_much_of_a_hand_hides_a_face_and_for_how_long_can_be_set() -> None:
    def scene(at_s: float) -> list[Region]:
        if at_s < 1.0:
            return [face()]
        return [] if 3.0 <= at_s < 4.0 else [hand(0.5, 0.4, 0.12, thumbs_up=0.97)]

    def fires(**placement: float) -> bool:
        settings = ReactionSettings.model_validate({"placement": placement})
        return bool(started(play(policy(settings), scene, times(6.0))))

    assert not fires(hidden_s=2.0)
    assert fires(hidden_s=0.2)
    assert fires(hidden_s=0.2, hiding_share=1.0)


@pytest.mark.parametrize(("votes", "expected_s"), [(1, 0.0), (5, 0.4)])
def test_the_first_reported_progress_can_be_set(votes: int, expected_s: float) -> None:
    settings = ReactionSettings.model_validate({"holding_votes": votes})
    events = play(policy(settings), lambda at_s: [face(smile=0.97)], times(0.7))
    assert events[0].at_s == pytest.approx(expected_s)


@pytest.mark.parametrize(("dwells", "after_s", "ends_s"), [(2.0, 1.0, 1.8), (4.0, 1.0, 3.2), (2.0, 3.0, 3.8)])
def test_when_a_hold_is_stale_can_be_set(dwells: float, after_s: float, ends_s: float) -> None:
    settings = ReactionSettings.model_validate({"stale_dwells": dwells, "stale_after_dwell_s": after_s})
    # Every second frame shows a smile: too few for a reaction.
    scene = lambda at_s: [face(smile=0.97 if round(at_s * 10) % 2 == 0 else 0.7)]  # noqa: E731
    events = play(policy(settings), scene, times(ends_s + 0.5))
    cancelled = [event.at_s for event in events if event.phase is Phase.CANCELLED]
    assert cancelled[0] == pytest.approx(ends_s, abs=0.11)


def test_the_threshold_of_a_new_subject_can_be_set() -> None:
    def fires(takeover: float) -> list[str]:
        settings = ReactionSettings.model_validate({"subject": "largest", "subject_takeover": takeover})
        scene = lambda at_s: (  # noqa: E731
            [face(0.3, size=0.2)] if at_s < 1.0 else [face(0.3, size=0.2), face(0.75, size=0.24, smile=0.97)]
        )
        return started(play(policy(settings), scene, times(3.0)))

    assert fires(1.1) == ["smile"]
    assert fires(2.0) == []


def test_one_frame_per_second_may_miss_occasionally() -> None:
    # Every second still has a lower score: three votes of five in four seconds.
    scene = lambda at_s: [hand(thumbs_up=0.97 if round(at_s) % 2 == 0 else 0.6)]  # noqa: E731
    events = play(policy(), scene, times(5.0, 1.0))
    assert [event.at_s for event in events if event.phase is Phase.STARTED] == [4.0]
