from __future__ import annotations

import pytest

from gifcue_lab.evaluation.clips.matching import ClipResult, match_clip
from gifcue_lab.evaluation.clips.metrics import report
from gifcue_lab.evaluation.clips.watched import watched
from tests.support.clip_events import clip, reaction, run


@pytest.fixture
def result() -> ClipResult:
    """A smile is meant from 2 to 4 s and found, a wave is allowed from 10 to 20 s.

    False are a second smile at 4.5 s, a smile at 15 s and a wave at 30 s.
    """
    shown = clip([("smile", 2.0, 4.0)], spans=[("wave", 10.0, 20.0)])
    starts = [("smile", 2.5, 3.0), ("smile", 4.5, 4.8), ("smile", 15.0, 15.5), ("wave", 30.0, 31.0)]
    return match_clip(shown, run(*(reaction(*each) for each in starts), seconds=360.0))


def test_time_in_which_a_reaction_would_not_be_false_is_not_watched(result: ClipResult) -> None:
    # A smile may start until a second after its span.
    smile, wave = watched([result], "smile"), watched([result], "wave")
    assert smile == (pytest.approx((360 - 3.0) / 3600), 1)
    assert wave == (pytest.approx((360 - 10.0) / 3600), 1)


def test_without_a_label_it_is_the_time_in_which_none_is_allowed(result: ClipResult) -> None:
    assert len(result.false) == 3
    assert watched([result]) == (pytest.approx((360 - 10.0) / 3600), 2)


def test_a_label_that_is_always_allowed_leaves_nothing_to_watch() -> None:
    result = match_clip(clip(allow=["smile"]), run(reaction("wave", 3.0), seconds=360.0))
    assert watched([result], "smile") == (0.0, 0)
    assert watched([result], "wave") == (pytest.approx(0.1), 1)
    assert watched([result]) == (0.0, 0)


def test_the_report_bounds_the_rate_of_both_times(result: ClipResult) -> None:
    total = report([result])["total"]
    assert (total["false"], total["false_per_hour_upper"]) == (3, pytest.approx(77.5366, abs=1e-3))
    assert (total["false_watched"], total["watched_hours"]) == (2, 0.0972)
    assert total["false_per_watched_hour_upper"] == pytest.approx(6.2958 / 0.09722, abs=0.01)
