"""Why nothing fired: the first condition that is not met, from the checks that decide."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue.detect.regions import Region
from gifcue.protocol.detections import UnmetCondition
from gifcue.reactions import Phase, PolicyEvent, ReactionPolicy, ReactionSettings
from gifcue.reactions.conditions import MOST, Condition, nearest
from tests.reactions.test_properties import LABELS, step
from tests.support.people import Scene, face, hand, play, policy, started, times

DOCUMENT = Path(__file__).parents[2] / "docs" / "explanations.md"


def why(made: ReactionPolicy, label: str) -> tuple[str, float, float]:
    """The condition of a label, and its value and what is needed."""
    (unmet,) = [each for each in made.explain() if each.label == label]
    return unmet.condition, unmet.value, unmet.needed


def told(condition: str, value: float, needed: float) -> Any:
    return (condition, pytest.approx(value, abs=1e-3), pytest.approx(needed, abs=1e-3))


@pytest.mark.parametrize(
    ("label", "scene", "changes", "expected"),
    [
        ("thumbs_up", [], {}, ("no_region", 0.0, 0.3)),
        ("thumbs_up", [hand(score=0.2, thumbs_up=0.97), face(smile=0.9)], {}, ("no_region", 0.2, 0.3)),
        ("smile", [face(smile=0.61)], {}, ("score", 0.61, 0.85)),
        ("smile", [face(0.2, smile=0.3), face(0.8, smile=0.7)], {}, ("score", 0.7, 0.85)),
        ("thumbs_up", [hand(thumbs_up=0.96, ok_hand=0.98)], {}, ("top_label", 0.96, 0.98)),
        (
            "smile",
            [face(0.2, size=0.4, smile=0.1), face(0.8, size=0.1, smile=0.97)],
            {"subject": "largest"},
            ("score", 0.1, 0.85),
        ),
        (
            "thumbs_up",
            [face(0.2, size=0.4), face(0.8, size=0.1), hand(0.85, thumbs_up=0.97)],
            {"subject": "largest"},
            ("subject", 0.0, 1.0),
        ),
        ("thinking", [face(thinking=0.97)], {}, ("hand_at_face", 0.0, 0.3)),
        ("thumbs_up", [face(), hand(0.5, 0.4, 0.1, thumbs_up=0.97)], {}, ("face_cover", 1.0, 0.5)),
        ("wave", [hand(wave=0.97)], {}, ("motion", 0.0, 3.0)),
        ("thumbs_up", [hand(thumbs_up=0.97)], {}, ("hold", 200.0, 500.0)),
        ("thumbs_up", [hand(thumbs_up=0.97)], {"min_votes": 9}, ("hold", 200.0, 500.0)),
    ],
)
def test_the_third_frame_of_a_scene_is_explained(
    label: str, scene: list[Region], changes: dict[str, Any], expected: tuple[str, float, float]
) -> None:
    made = policy(ReactionSettings.model_validate(changes))
    assert started(play(made, lambda at_s: scene, times(0.3))) == []
    assert why(made, label) == told(*expected)


def test_speed_is_explained_in_sizes_a_second() -> None:
    made = policy()
    play(made, lambda at_s: [hand(0.2 + at_s / 5, thumbs_up=0.97)], times(0.5))
    assert why(made, "thumbs_up") == told("speed", 2.0, 1.5)


def test_of_several_hands_the_one_nearest_to_a_reaction_is_explained() -> None:
    made = policy()
    scene: Scene = lambda at_s: [hand(0.2, thumbs_up=0.5), hand(0.8, thumbs_up=0.97)]  # noqa: E731
    play(made, scene, times(0.3))
    assert why(made, "thumbs_up") == told("hold", 200.0, 500.0)


@pytest.mark.parametrize(
    ("changes", "fps", "expected"),
    [
        ({"min_votes": 9}, 10.0, ("frames", 8.0, 9.0)),
        ({"min_votes": 9, "min_analysed_votes": 9}, 10.0, ("frames", 8.0, 9.0)),
    ],
)
def test_after_the_dwell_the_missing_frames_are_explained(
    changes: dict[str, Any], fps: float, expected: tuple[str, float, float]
) -> None:
    made = policy(ReactionSettings.model_validate(changes))
    assert started(play(made, lambda at_s: [hand(thumbs_up=0.97)], times(0.8, fps))) == []
    assert why(made, "thumbs_up") == told(*expected)


def test_frames_that_were_skipped_are_no_analysed_ones() -> None:
    made = policy()
    scene: Scene = lambda at_s: [hand(thumbs_up=0.97)] if at_s == 0.0 else None  # noqa: E731
    assert started(play(made, scene, times(0.8))) == []
    assert why(made, "thumbs_up") == told("analysed_frames", 1.0, 2.0)


def test_a_pose_that_flickers_shows_on_too_few_frames() -> None:
    made = policy()
    # Shown on the frames 0, 3, 6, 9: four of ten.
    scene: Scene = lambda at_s: [hand(thumbs_up=0.97 if round(at_s * 10) % 3 == 0 else 0.8)]  # noqa: E731
    assert started(play(made, scene, times(1.0))) == []
    assert why(made, "thumbs_up") == told("frame_share", 0.4, 0.6)


def test_a_hold_that_never_starts_is_stale_on_its_last_frame() -> None:
    made = policy()
    conditions = []
    for at_s in times(3.0):
        made.observe([hand(thumbs_up=0.97 if round(at_s * 10) % 2 == 0 else 0.8)], at_s)
        conditions.append(why(made, "thumbs_up")[0])
    assert "stale" in conditions
    # The frame that drops the hold shows the pose; the next one of that kind begins a new hold.
    assert conditions[conditions.index("stale") + 2] == "hold"


def test_a_cooldown_counts_down_in_milliseconds() -> None:
    made = policy()
    play(made, lambda at_s: [hand(thumbs_up=0.97)], times(1.0))
    assert "thumbs_up" not in {each.label for each in made.explain()}
    (ended,) = play(made, lambda at_s: [], times(2.0, from_s=1.0))
    assert ended.phase is Phase.ENDED
    assert why(made, "thumbs_up") == told("cooldown", 1000.0 * (ended.at_s + 4.0 - 1.9), 0.0)


def test_without_a_cooldown_the_end_is_explained_by_what_ended_it() -> None:
    settings = ReactionSettings.model_validate({"labels": {"thumbs_up": {"cooldown_s": 0.0}}})
    made = policy(settings)
    play(made, lambda at_s: [hand(thumbs_up=0.97)], times(1.0))
    (ended,) = play(made, lambda at_s: [hand(thumbs_up=0.2)], times(1.7, from_s=1.0))
    assert ended.phase is Phase.ENDED
    assert why(made, "thumbs_up") == told("score", 0.2, 0.95)


def test_who_speaks_is_told_so() -> None:
    made = policy(ReactionSettings(speaking_suppresses_hands=True))
    made.set_speaking(True, 0.0)
    play(made, lambda at_s: [hand(thumbs_up=0.97)], times(1.0))
    assert why(made, "thumbs_up") == told("speaking", 1.0, 0.0)
    assert why(made, "smile")[0] == "no_region"


def test_a_late_frame_is_told_by_how_much() -> None:
    made = policy()
    made.observe([hand(thumbs_up=0.97)], 1.0)
    assert made.observe([hand(thumbs_up=0.97)], 0.9) == []
    assert why(made, "thumbs_up") == told("late", 100.0, 0.0)


def test_nothing_is_explained_before_the_first_frame_or_of_labels_that_are_not_allowed() -> None:
    made = policy(allowed=["smile"])
    assert made.explain() == []
    made.observe([hand(thumbs_up=0.97)], 0.0)
    assert made.explain() == [UnmetCondition("smile", "no_region", 0.0, 0.3)]
    made.set_allowed(frozenset({"smile", "wave"}), 0.0)
    assert [each.label for each in made.explain()] == ["smile"]
    made.set_allowed(frozenset(), 0.0)
    assert made.explain() == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(step, max_size=60),
    st.sampled_from(["careful", "normal", "playful"]),
    st.sampled_from(["all", "largest", "centre"]),
    st.booleans(),
)
def test_every_label_is_either_started_or_lacks_exactly_one_condition(
    steps: list[tuple[float, list[Region] | None, bool | frozenset[str] | None]],
    preset: str,
    subject: str,
    suppresses: bool,
) -> None:
    made = policy(
        ReactionSettings.model_validate(
            {"preset": preset, "subject": subject, "speaking_suppresses_hands": suppresses}
        )
    )
    allowed, active, at_s = frozenset(LABELS), set[str](), 10.0

    def follow(events: list[PolicyEvent]) -> None:
        for event in events:
            if event.phase is Phase.STARTED:
                active.add(event.label)
            elif event.phase is Phase.ENDED:
                active.remove(event.label)

    for elapsed_s, shown, change in steps:
        at_s += elapsed_s
        if isinstance(change, frozenset):
            allowed = change
            follow(made.set_allowed(change, at_s))
        elif change is not None:
            follow(made.set_speaking(change, at_s))
        was_active = set(active)
        now = made.inherit(at_s) if shown is None else made.observe(shown, at_s)
        follow(now)
        unmet = {each.label: each for each in made.explain()}
        assert len(unmet) == len(made.explain())
        assert set(unmet) == set(allowed) - active
        assert not {event.label for event in now if event.phase is Phase.STARTED} & set(unmet)
        assert active - was_active == {event.label for event in now if event.phase is Phase.STARTED}
        for each in unmet.values():
            if Condition(each.condition) in MOST:
                assert each.value > each.needed
            else:
                assert each.value < each.needed


def test_the_nearest_is_the_one_whose_condition_comes_last_and_then_the_best_value() -> None:
    assert nearest([]) is None
    score, better = (Condition.SCORE, 0.5, 0.8), (Condition.SCORE, 0.7, 0.8)
    fast, slower = (Condition.SPEED, 4.0, 1.5), (Condition.SPEED, 2.0, 1.5)
    assert nearest([score, better]) == better
    assert nearest([better, fast, slower]) == slower


def test_the_document_lists_every_condition_in_its_order() -> None:
    table = re.findall(r"^\| `(\w+)` \| (at least|at most) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert table == [
        (condition.value, "at most" if condition in MOST else "at least") for condition in Condition
    ]


def test_the_document_gives_the_order_of_a_faces_landmarks() -> None:
    rows = re.findall(
        r"^\| (\d+) to (\d+) \| [^|]+ \| ([\d, ]+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE
    )
    listed: list[int] = []
    for first, last, points in rows:
        assert int(first) == len(listed)
        listed += [int(point) for point in points.split(",")]
        assert int(last) == len(listed) - 1
    metadata = json.loads((DOCUMENT.parents[1] / "models" / "metadata.json").read_bytes())
    assert listed == metadata["networks"]["face"]["points"]


class TestDismiss:
    def test_a_running_reaction_ends_and_its_cooldown_begins(self) -> None:
        made = policy()
        play(made, lambda at_s: [hand(thumbs_up=0.97)], times(1.0))
        (ended,) = made.dismiss("thumbs_up", "r1", 1.0)
        assert (ended.phase, ended.reason, ended.reaction_id) == (Phase.ENDED, "dismissed", "r1")
        events = play(made, lambda at_s: [hand(thumbs_up=0.97)], times(7.0, from_s=1.0))
        again = next(event.at_s for event in events if event.phase is Phase.STARTED)
        assert 1.0 + 4.0 + 0.5 - 1e-6 <= again <= 1.0 + 4.0 + 0.75

    def test_one_that_has_ended_begins_its_cooldown_anew(self) -> None:
        made = policy()
        play(made, lambda at_s: [hand(thumbs_up=0.97)] if at_s < 1.0 else [], times(4.0))
        assert made.dismiss("thumbs_up", "r1", 4.0) == []
        made.observe([], 4.0)
        assert why(made, "thumbs_up") == told("cooldown", 4000.0, 0.0)

    def test_a_hold_of_the_label_is_cancelled(self) -> None:
        made = policy(ReactionSettings.model_validate({"labels": {"thumbs_up": {"cooldown_s": 0.5}}}))
        scene: Scene = lambda at_s: [hand(thumbs_up=0.97)] if at_s < 1.0 or at_s >= 3.0 else []  # noqa: E731
        play(made, scene, times(3.3))
        (cancelled,) = made.dismiss("thumbs_up", "r1", 3.3)
        assert (cancelled.phase, cancelled.reason, cancelled.reaction_id) == (
            Phase.CANCELLED,
            "dismissed",
            "r2",
        )
        made.observe([hand(thumbs_up=0.97)], 3.3)
        assert why(made, "thumbs_up")[0] == "cooldown"

    def test_a_later_reaction_is_left_alone(self) -> None:
        made = policy(ReactionSettings.model_validate({"labels": {"thumbs_up": {"cooldown_s": 0.0}}}))
        scene: Scene = lambda at_s: [hand(thumbs_up=0.97)] if at_s < 1.0 or at_s >= 3.0 else []  # noqa: E731
        assert len(started(play(made, scene, times(4.0)))) == 2
        assert made.dismiss("thumbs_up", "r1", 4.0) == []
        assert "thumbs_up" not in {each.label for each in made.explain()}

    def test_one_whose_label_is_no_longer_allowed_begins_its_cooldown(self) -> None:
        made = policy()
        play(made, lambda at_s: [hand(thumbs_up=0.97)], times(1.0))
        made.set_allowed(frozenset(), 1.0)
        assert made.dismiss("thumbs_up", "r1", 3.0) == []
        made.set_allowed(frozenset({"thumbs_up"}), 3.0)
        made.observe([hand(thumbs_up=0.97)], 3.0)
        assert why(made, "thumbs_up") == told("cooldown", 4000.0, 0.0)
