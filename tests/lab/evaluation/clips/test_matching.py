"""Found, missed, false and allowed reactions, in constructed cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue_lab.evaluation.clips.matching import FalseReason, Miss, match_clip
from tests.support.clip_events import clip, hold, reaction, run

SMILE = ("smile", 2.0, 4.0)


@pytest.mark.parametrize("at_s", [2.0, 3.1, 4.0, 5.0])
def test_found_from_the_onset_to_a_second_after_the_end(at_s: float) -> None:
    result = match_clip(clip([SMILE]), run(reaction("smile", at_s)))
    (each,) = result.expectations
    assert each.miss is None
    assert each.onset_to_started_s == pytest.approx(at_s - 2.0)
    assert not result.false
    assert not result.allowed


@pytest.mark.parametrize("at_s", [1.99, 5.01])
def test_a_reaction_outside_that_time_is_false_and_the_expectation_missed(at_s: float) -> None:
    result = match_clip(clip([SMILE]), run(reaction("smile", at_s, at_s)))
    assert [each.miss for each in result.expectations] == [Miss.NOTHING]
    assert [each.why for each in result.false] == [FalseReason.UNASKED]


def test_a_reaction_of_another_label_does_not_match() -> None:
    result = match_clip(clip([SMILE]), run(reaction("wave", 3.0)))
    assert not result.found
    assert [each.event.label for each in result.false] == ["wave"]


def test_a_second_reaction_is_false_unless_allowed() -> None:
    twice = run(reaction("smile", 2.5, 3.0), reaction("smile", 3.5))
    assert [each.why for each in match_clip(clip([SMILE]), twice).false] == [FalseReason.AGAIN]
    lenient = match_clip(clip([SMILE], allow=["smile"]), twice)
    assert not lenient.false
    assert [event.at_s for event in lenient.allowed] == [3.5]
    assert lenient.expectations[0].started is twice.started[0]


def test_an_allowed_reaction_is_neither_expected_nor_false() -> None:
    result = match_clip(clip(allow=["smile"]), run(reaction("smile", 1.0), reaction("wave", 2.0)))
    assert [event.label for event in result.allowed] == ["smile"]
    assert [each.event.label for each in result.false] == ["wave"]


def test_a_reaction_outside_its_allowed_span_is_false() -> None:
    spans = clip([SMILE], spans=[("smile", 6.0, 8.0), ("wave", 1.0, 2.0)])
    starts = (reaction("smile", at_s, at_s + 0.1) for at_s in (3.0, 5.5, 6.0, 7.0, 8.0, 8.1))
    result = match_clip(spans, run(*starts, reaction("wave", 7.0)))
    assert [event.at_s for event in result.allowed] == [6.0, 7.0, 8.0]
    assert [(each.event.label, each.event.at_s) for each in result.false] == [
        ("smile", 5.5),
        ("wave", 7.0),
        ("smile", 8.1),
    ]
    assert [each.started.at_s for each in result.expectations if each.started] == [3.0]


def test_an_expected_reaction_is_found_even_if_it_is_also_allowed() -> None:
    result = match_clip(clip([SMILE], spans=[("smile", 0.0, 9.0)]), run(reaction("smile", 3.0)))
    assert result.expectations[0].miss is None
    assert not result.allowed


def test_a_cancelled_hold_has_its_progress() -> None:
    result = match_clip(clip([SMILE]), run(hold("smile", 2.2, 2.6, 0.6), hold("wave", 3.0, 3.2, 0.9)))
    (each,) = result.expectations
    assert (each.miss, each.held) == (Miss.HELD, 0.6)
    assert not result.false


def test_a_reaction_that_started_before_the_onset_is_early() -> None:
    result = match_clip(clip([SMILE]), run(reaction("smile", 1.5, 3.0)))
    assert result.expectations[0].miss is Miss.EARLY
    assert [each.why for each in result.false] == [FalseReason.UNASKED]
    over = match_clip(clip([SMILE]), run(reaction("smile", 1.5, 1.8)))
    assert over.expectations[0].miss is Miss.NOTHING
    # A reaction without an end lasts until the end of the clip.
    assert match_clip(clip([SMILE]), run(reaction("smile", 1.5))).expectations[0].miss is Miss.EARLY


def test_one_reaction_matches_at_most_one_span() -> None:
    result = match_clip(clip([SMILE, ("smile", 4.5, 6.0)]), run(reaction("smile", 4.8)))
    assert [each.miss for each in result.expectations] == [None, Miss.TAKEN]


def test_the_number_of_matched_overlapping_spans_is_maximal() -> None:
    # The reaction at 4.8 s matches both spans. It gets the first, because the one at 5.5 s matches the second.
    later = ("smile", 4.5, 6.0)
    for spans in ([SMILE, later], [later, SMILE]):
        result = match_clip(clip(spans), run(reaction("smile", 5.5), reaction("smile", 4.8)))
        assert [each.miss for each in result.expectations] == [None, None]
        assert not result.false


SPANS = st.lists(
    st.tuples(st.sampled_from(["smile", "wave"]), st.integers(0, 20), st.integers(0, 5)), max_size=6
)
STARTS = st.lists(st.tuples(st.sampled_from(["smile", "wave", "ok_hand"]), st.integers(0, 60)), max_size=8)


@given(SPANS, STARTS, st.sets(st.sampled_from(["smile", "ok_hand"])))
def test_every_reaction_is_counted_once(
    spans: list[tuple[str, int, int]], starts: list[tuple[str, int]], allow: set[str]
) -> None:
    held = clip([(label, start, start + length) for label, start, length in spans], allow)
    result = match_clip(held, run(*(reaction(label, at / 2) for label, at in starts)))
    found = [each.started for each in result.expectations if each.started is not None]
    assert len(found) + len(result.false) + len(result.allowed) == len(starts)
    assert len({id(event) for event in found}) == len(found)
    for each in result.expectations:
        assert (each.miss is None) == (each.started is not None)
