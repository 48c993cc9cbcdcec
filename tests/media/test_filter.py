from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from gifcue.media.filter import NOT_COMPARED, FrameFilter, Pacer
from gifcue.media.settings import FilterSettings, Metric
from gifcue.protocol.reasons import SkipReason

UNPACED = 1000.0


def picture(rgb: np.ndarray):
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuv420p")


def look(frame_filter: FrameFilter, frame, pts_s: float) -> SkipReason | None:
    decision = frame_filter.check(frame, pts_s)
    if decision.skip is None:
        frame_filter.analysed(decision, pts_s)
    return decision.skip


def test_the_first_frame_is_never_skipped(frames) -> None:
    decision = FrameFilter(FilterSettings(), UNPACED).check(picture(frames[0]), 5.0)
    assert (decision.skip, decision.similarity) == (None, NOT_COMPARED)


def test_a_still_picture_is_skipped_up_to_the_maximum_age(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(max_age_s=1.0), UNPACED)
    still = picture(frames[0])
    reasons = [look(frame_filter, still, tick / 16) for tick in range(33)]
    assert [tick for tick, reason in enumerate(reasons) if reason is None] == [0, 16, 32]


@pytest.mark.parametrize("metric", Metric)
def test_slow_drift_accumulates_against_the_reference(metric: Metric, frames) -> None:
    # An eighth of a pixel per frame: no frame differs from the previous one, but soon each differs from the reference.
    shifts = [np.array([[1, 0, step / 8], [0, 1, 0]], np.float32) for step in range(48)]
    drifting = [picture(cv2.warpAffine(frames[0], shift, (640, 360))) for shift in shifts]
    settings = FilterSettings(metric=metric, max_age_s=60.0)
    frame_filter = FrameFilter(settings, UNPACED)
    reasons = [look(frame_filter, frame, tick / 48) for tick, frame in enumerate(drifting)]
    assert reasons.count(None) >= 3
    neighbours = FrameFilter(settings, UNPACED)
    look(neighbours, drifting[0], 0.0)
    assert look(neighbours, drifting[1], 0.1) is SkipReason.SIMILAR


def test_nothing_is_skipped_as_similar_during_a_hold(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(), UNPACED)
    still = picture(frames[0])
    look(frame_filter, still, 0.0)
    frame_filter.holding = True
    assert [look(frame_filter, still, tick / 10) for tick in (1, 2, 3)] == [None] * 3
    frame_filter.holding = False
    assert look(frame_filter, still, 0.4) is SkipReason.SIMILAR


def test_a_picture_that_was_not_analysed_is_no_reference(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(), UNPACED)
    still = picture(frames[0])
    look(frame_filter, still, 0.0)
    frame_filter.forget()
    assert look(frame_filter, still, 0.1) is None
    assert look(frame_filter, still, 0.2) is SkipReason.SIMILAR


def test_a_frame_without_a_slot_does_not_change_the_filter(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(), 10.0)
    assert look(frame_filter, picture(frames[0]), 0.0) is None
    moved = picture(frames[10])
    assert frame_filter.check(moved, 0.1).skip is None  # and no slot was free
    assert frame_filter.check(moved, 0.133).skip is None  # so the next is neither paced nor similar


def test_a_disabled_filter_skips_nothing(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(enabled=False), UNPACED)
    still = picture(frames[0])
    assert [look(frame_filter, still, tick / 10) for tick in range(3)] == [None] * 3


@pytest.mark.parametrize(
    ("fps", "seconds", "expected"), [(30, 4, 40), (25, 4, 40), (15, 4, 40), (10, 4, 40), (5, 4, 20)]
)
def test_pacing_gives_the_configured_rate(fps: int, seconds: int, expected: int) -> None:
    pacer = Pacer(10.0)
    passed = 0
    for tick in range(fps * seconds):
        if pacer.is_due(tick / fps):
            pacer.use(tick / fps)
            passed += 1
    assert abs(passed - expected) <= 1


def test_pacing_goes_on_after_a_gap_and_after_a_clock_set_back() -> None:
    pacer = Pacer(10.0)
    pacer.use(100.0)
    assert not pacer.is_due(100.05)
    assert pacer.is_due(130.0)
    pacer.use(130.0)
    assert not pacer.is_due(130.05)
    assert not pacer.is_due(129.9)
    assert pacer.is_due(3.0)
    pacer.use(3.0)
    assert not pacer.is_due(3.05)


def test_another_pace_counts_from_the_last_frame_used() -> None:
    pacer = Pacer(10.0)
    pacer.use(0.0)
    pacer.pace(4.0)
    assert not pacer.is_due(0.2)
    assert pacer.is_due(0.25)
    pacer.pace(10.0)
    assert pacer.is_due(0.1)


def test_during_a_hold_frames_are_analysed_at_the_maximum_rate(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(enabled=False), 10.0)
    frame_filter.pace(4.0)
    pictures = [picture(frames[0])] * 9
    assert [look(frame_filter, one, at / 10) for at, one in enumerate(pictures)].count(None) == 4
    frame_filter.holding = True
    assert [look(frame_filter, one, 1 + at / 10) for at, one in enumerate(pictures)].count(None) == 9
    frame_filter.holding = False
    assert [look(frame_filter, one, 2 + at / 10) for at, one in enumerate(pictures)].count(None) == 4


def test_no_pace_is_faster_than_the_settings(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(enabled=False), 5.0)
    frame_filter.pace(30.0)
    assert [look(frame_filter, picture(frames[0]), at / 10) for at in range(10)].count(None) == 5


def test_a_clock_set_back_makes_the_reference_old(frames) -> None:
    frame_filter = FrameFilter(FilterSettings(), UNPACED)
    still = picture(frames[0])
    look(frame_filter, still, 500.0)
    assert look(frame_filter, still, 2.0) is None


def test_similar_frames_are_paced_too(frames) -> None:
    # The filter costs more than pacing, so it compares frames at most at the maximum rate of analysis.
    frame_filter = FrameFilter(FilterSettings(), 10.0)
    still = picture(frames[0])
    reasons = [look(frame_filter, still, tick / 30) for tick in range(30)]
    assert reasons.count(SkipReason.SIMILAR) == 9
    assert reasons.count(SkipReason.PACED) == 20
