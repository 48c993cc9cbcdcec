from __future__ import annotations

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions.settings import TrackSettings
from gifcue.reactions.tracks import Tracker
from tests.support.people import face, hand


def numbers(tracker: Tracker) -> list[int]:
    return [track.number for track in tracker.tracks]


def test_a_still_region_keeps_its_track_through_a_missed_frame() -> None:
    tracker = Tracker(TrackSettings())
    for at_s, regions in ((0.0, [hand()]), (0.33, []), (0.67, [hand()])):
        tracker.update(regions, at_s)
    assert numbers(tracker) == [1]
    assert tracker.tracks[0].is_seen


def test_a_region_missing_too_long_gets_a_new_track() -> None:
    tracker = Tracker(TrackSettings(lost_after_s=0.7))
    for at_s, regions in ((0.0, [hand()]), (0.4, []), (0.8, []), (0.9, [hand()])):
        tracker.update(regions, at_s)
    assert numbers(tracker) == [2]


def test_a_fast_hand_keeps_its_track_where_boxes_do_not_overlap() -> None:
    tracker = Tracker(TrackSettings())
    for step in range(6):
        tracker.update([hand(0.1 + 0.13 * step)], step / 10)
    assert numbers(tracker) == [1]


def test_two_hands_that_cross_keep_their_tracks() -> None:
    tracker = Tracker(TrackSettings())
    for step in range(11):
        regions = [hand(0.2 + 0.06 * step, 0.5), hand(0.8 - 0.06 * step, 0.53)]
        tracker.update(regions if step % 2 else regions[::-1], step / 10)
    ends = {track.number: track.box.center[1] for track in tracker.tracks}
    assert sorted(ends) == [1, 2]
    first = min(ends, key=lambda number: ends[number])
    assert first == 1, "the first track began at the right, as the first region of the first frame"


def test_a_face_and_a_hand_have_different_tracks() -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([face(0.5, 0.5, 0.1)], 0.0)
    tracker.update([hand(0.5, 0.5, 0.1)], 0.1)
    assert [(track.number, track.kind) for track in tracker.tracks] == [(1, "face"), (2, "hand")]


@pytest.mark.parametrize("region", [hand(score=0.2), hand(size=0.0)])
def test_regions_with_a_low_score_or_no_area_are_ignored(region: Region) -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([region], 0.0)
    assert numbers(tracker) == []


def test_speed_is_relative_to_size_and_ignores_jitter() -> None:
    tracker = Tracker(TrackSettings())
    for step in range(10):
        tracker.update([hand(0.2 + 0.02 * step), face(0.7 + (0.002 if step % 2 else 0.0))], step / 10)
    moving, still = tracker.tracks
    assert moving.speed(0.15) == pytest.approx(2.0)
    assert still.speed(0.15) < 0.1


def test_a_repeated_frame_has_no_motion() -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([hand(0.2)], 0.0)
    tracker.update([hand(0.3)], 0.1)
    for step in range(2, 30):
        tracker.repeat(step / 10)
    assert numbers(tracker) == [1]
    assert tracker.tracks[0].speed(0.15) == 0.0
