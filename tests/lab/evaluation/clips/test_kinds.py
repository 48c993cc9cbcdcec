"""What clips show, in the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gifcue_lab.evaluation.clips.kinds import kinds
from gifcue_lab.evaluation.clips.matching import ClipResult, match_clip
from gifcue_lab.evaluation.clips.metrics import report
from gifcue_lab.evaluation.clips.text import wrong_lines
from gifcue_lab.evaluation.clips.truth import Part
from gifcue_lab.evaluation.clips.watched import watched
from tests.support.clip_events import clip, reaction, run

SMILE = ("smile", 2.0, 4.0)


@pytest.fixture
def result() -> ClipResult:
    """A smile is meant from 2 to 4 s, a wave at 6 s is false."""
    parts = (
        Part(kind="idle", start_s=0.0, end_s=2.0),
        Part(kind="meant", start_s=2.0, end_s=5.0),
        Part(kind="touch", start_s=5.0, end_s=10.0, shows=("a/01", "a/02")),
    )
    shown = replace(clip([("smile", 2.0, 4.0)], spans=[("wave", 1.0, 3.0)]), segments=parts)
    return match_clip(shown, run(reaction("smile", 3.0, 3.5), reaction("wave", 6.0)))


def test_time_found_and_false_are_counted_by_kind(result: ClipResult) -> None:
    found = kinds([result])
    assert list(found) == ["touch", "meant", "idle"]
    assert found["touch"] == {"seconds": 5.0, "share": 0.5, "expected": 0, "found": 0, "false": {"wave": 1}}
    assert (found["meant"]["expected"], found["meant"]["found"]) == (1, 1)
    assert kinds([match_clip(clip(), run())]) == {}


def test_a_false_reaction_names_what_was_shown(result: ClipResult) -> None:
    document = report([result])
    (false,) = document["by_clip"][result.clip.name]["false_reactions"]
    assert false["during"] == {"kind": "touch", "shows": ["a/01", "a/02"]}
    assert wrong_lines(document)[-1].endswith("during touch of a/01, a/02")


def test_time_in_which_a_reaction_would_not_be_false_is_not_watched(result: ClipResult) -> None:
    seconds = result.run.seconds
    # A smile may start until a second after its span.
    of = {label: watched([result], label) for label in ("smile", "wave", None)}
    assert of["smile"]["watched_hours"] == pytest.approx((seconds - 3.0) / 3600, abs=1e-4)
    assert of["wave"]["watched_hours"] == pytest.approx((seconds - 2.0) / 3600, abs=1e-4)
    # From 1 to 5 s, one or the other.
    assert of[None]["watched_hours"] == pytest.approx((seconds - 4.0) / 3600, abs=1e-4)
    assert [each["watched_false"] for each in of.values()] == [0, 1, 1]
    assert watched([match_clip(clip(allow=["smile"]), run())], "smile")["watched_hours"] == 0.0
    assert watched([match_clip(clip(allow=["smile"]), run())], None)["false_per_watched_hour_upper"] is None


def test_a_second_reaction_within_its_span_is_false_but_not_at_a_watched_time() -> None:
    twice = match_clip(clip([SMILE]), run(reaction("smile", 2.5, 3.0), reaction("smile", 3.5)))
    assert len(twice.false) == 1
    assert watched([twice], "smile")["watched_false"] == 0
