"""Scheduled sequences, as plain data."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from gifcue.reactions.settings import ReactionSettings, policy_preset
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.truth import Clip, Expected
from gifcue_lab.synthesis.builder import MIN_POSITIVE_S
from gifcue_lab.synthesis.distractors import FLICKER_S
from gifcue_lab.synthesis.events import joined
from gifcue_lab.synthesis.mixes import BUSY
from gifcue_lab.synthesis.participants import Subjects
from gifcue_lab.synthesis.plan import schedule_sequences
from gifcue_lab.synthesis.script import Segment, Sequence, Span
from gifcue_lab.synthesis.talking_clips import TalkingClip

CLIP = TalkingClip(
    Clip(
        "talk.mp4",
        Path("talk.mp4"),
        30.0,
        expect=(Expected(label="smile", start_s=10.0, end_s=12.0),),
        allow=frozenset({"thinking"}),
    ),
    30.0,
)


@pytest.fixture(scope="module")
def policy() -> ReactionSettings:
    return policy_preset("normal")


@pytest.fixture(scope="module")
def sequences(subjects: Subjects, policy: ReactionSettings) -> list[Sequence]:
    return schedule_sequences(subjects, [CLIP], policy, minutes=60, seed=3)


def segments(sequences: list[Sequence], kind: str) -> list[tuple[Sequence, Segment]]:
    found = [(each, segment) for each in sequences for segment in each.segments if segment.kind == kind]
    assert found, f"an hour without {kind}"
    return found


def test_the_schedule_is_determined_by_the_seed(subjects: Subjects, policy: ReactionSettings) -> None:
    once, again, other = (
        schedule_sequences(subjects, [], policy, minutes=5, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


@pytest.mark.parametrize("minutes", [0.2, 1.7, 20.0, 33.3])
def test_all_the_time_is_filled_without_a_gap(
    subjects: Subjects, policy: ReactionSettings, minutes: float
) -> None:
    sequences = schedule_sequences(subjects, [], policy, minutes=minutes, seed=1)
    assert sum(each.seconds for each in sequences) == pytest.approx(60 * minutes, abs=0.2)
    for each in sequences:
        edges = [0.0, *(edge for shot in each.shots for edge in (shot.start_s, shot.end_s)), each.seconds]
        for end, begin in zip(edges[::2], edges[1::2], strict=True):
            assert begin == pytest.approx(end, abs=1e-6)
        assert all(shot.end_s > shot.start_s for shot in each.shots)


def test_every_kind_of_segment_occurs_and_most_of_the_time_nothing_is_expected(
    sequences: list[Sequence], policy: ReactionSettings
) -> None:
    expected = Counter(span.label for each in sequences for span in each.expect)
    # No photograph of these people shows thinking.
    assert set(expected) == set(policy.labels) - {"thinking"}
    # About two per minute, limited by cooldowns.
    assert sum(expected.values()) > 120
    expected_s = sum(span.end_s - span.start_s for each in sequences for span in each.expect)
    assert expected_s < 0.2 * sum(each.seconds for each in sequences)
    for kind in ("palm", "flicker", "dropped", "passing", "touch", "drink", "other_hand", "light", "talk"):
        assert segments(sequences, kind)


def test_a_busy_meeting_is_talk_and_hands_and_few_reactions(
    subjects: Subjects, policy: ReactionSettings
) -> None:
    busy = schedule_sequences(subjects, [CLIP], policy, minutes=120, seed=3, mix=BUSY)
    for kind in ("speech", "gesticulate", "typing", "hair", "glasses", "scratch", "telephone", "drink"):
        for _, segment in segments(busy, kind):
            assert segment.expect == ()
    (phone, *_) = segments(busy, "telephone")
    layer = phone[1].shots[0].layer
    assert layer is not None
    assert layer.held == "phone"
    assert sum(len(each.expect) for each in busy) < 60
    assert {each.video.height for each in busy} == {360}


def test_a_script_is_read_back(sequences: list[Sequence]) -> None:
    for each in sequences[:5]:
        assert Sequence.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_expected_reactions_are_long_enough_and_lie_within_their_clip(
    sequences: list[Sequence], policy: ReactionSettings
) -> None:
    for each in sequences:
        for span in each.expect:
            held_s = span.end_s - span.start_s
            assert held_s >= max(MIN_POSITIVE_S, policy.labels[span.label].dwell_s) - 1e-6
            assert span.start_s >= 0.0
            assert span.end_s + 1.0 <= each.seconds + 1e-6
        for segment in each.segments:
            assert segment.kind in ("meant", "visitor") or not segment.expect


def test_a_label_is_expected_again_only_after_its_cooldown(
    sequences: list[Sequence], policy: ReactionSettings
) -> None:
    for each in sequences:
        for label, settings in policy.labels.items():
            spans = [span for span in each.expect if span.label == label]
            for one, other in itertools.pairwise(spans):
                assert other.start_s - one.end_s > settings.release_s + settings.cooldown_s


def test_a_palm_held_still_is_never_expected_to_be_a_wave(
    sequences: list[Sequence], subjects: Subjects
) -> None:
    for _, segment in segments(sequences, "palm"):
        assert segment.expect == ()
        assert not any(span.label == "wave" for span in segment.allow)
        assert any(subjects.stills[shot.photo].gesture == "wave" for shot in segment.shots)
    for each in sequences:
        for segment in each.segments:
            if any(span.label == "wave" for span in segment.expect):
                # Enough turning points for three swings.
                assert sum(len(shot.layer.keys) for shot in segment.shots if shot.layer) >= 4 + 4


def test_flickers_are_short_and_nothing_blends_out_of_them(sequences: list[Sequence]) -> None:
    for each, segment in segments(sequences, "flicker"):
        assert segment.expect == ()
        (shot,) = segment.shots
        frames = [
            number
            for number in range(round(each.seconds * each.video.fps))
            if shot.start_s <= number / each.video.fps < shot.end_s
        ]
        assert 1 <= len(frames) <= FLICKER_S * each.video.fps
        after = each.shots[each.shots.index(shot) + 1]
        assert after.fade_s == 0.0


def test_dropped_poses_are_shorter_than_any_dwell(sequences: list[Sequence]) -> None:
    for _, segment in segments(sequences, "dropped"):
        assert segment.expect == ()
        layer = segment.shots[-1].layer
        assert layer is not None
        there = [key.at_s for key in layer.keys if key.y == 0.0]
        assert max(there) - min(there) <= 0.25 + 1e-6


def test_a_face_with_an_unknown_expression_may_smile(sequences: list[Sequence]) -> None:
    stranger = next(each for each in sequences if each.person == "b/0")
    idle = next(segment for segment in stranger.segments if segment.kind == "idle")
    assert {span.label for span in idle.allow} == {"smile", "thinking"}
    somebody = next(each for each in sequences if each.person == "a/0")
    assert all(not segment.allow for segment in somebody.segments if segment.kind == "idle")
    assert not any(span.label == "smile" for span in stranger.expect)


def test_a_clip_carries_what_it_holds_over_and_expects_nothing() -> None:
    spans = CLIP.within(11.0, 20.0, 100.0, 1.0)
    assert spans == (Span("thinking", 100.0, 110.0), Span("smile", 100.0, 102.0))
    assert CLIP.within(13.0, 20.0, 100.0, 1.0) == (Span("thinking", 100.0, 108.0),)


def test_spans_of_a_label_are_joined_and_end_with_the_clip() -> None:
    spans = [
        Span("smile", 4.0, 6.0),
        Span("smile", 1.0, 3.0),
        Span("smile", 2.0, 4.0),
        Span("thinking", 2.0, 9.0),
    ]
    assert joined(spans, 8.0) == [Span("smile", 1.0, 6.0), Span("thinking", 2.0, 8.0)]


def test_a_schedule_without_subjects_is_an_error(policy: ReactionSettings) -> None:
    with pytest.raises(DatasetError, match="expected a person with at least five photographs"):
        schedule_sequences(Subjects((), {}, {}), [], policy, minutes=1, seed=1)
