from __future__ import annotations

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions.settings import TrackSettings
from gifcue.reactions.tracks import Tracker
from tests.support.people import face, hand


def numbers(tracker: Tracker) -> list[int]:
    return [track.number for track in tracker.tracks]


def test_a_still_thing_keeps_its_track_through_a_missed_frame() -> None:
    tracker = Tracker(TrackSettings())
    for at_s, regions in ((0.0, [hand()]), (0.33, []), (0.67, [hand()])):
        tracker.update(regions, at_s)
    assert numbers(tracker) == [1]
    assert tracker.tracks[0].is_seen


def test_what_is_unseen_too_long_is_another() -> None:
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


def test_a_face_is_never_a_hand() -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([face(0.5, 0.5, 0.1)], 0.0)
    tracker.update([hand(0.5, 0.5, 0.1)], 0.1)
    assert [(track.number, track.kind) for track in tracker.tracks] == [(1, "face"), (2, "hand")]


@pytest.mark.parametrize("region", [hand(score=0.2), hand(size=0.0)])
def test_what_scores_too_little_or_has_no_area_is_not_looked_at(region: Region) -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([region], 0.0)
    assert numbers(tracker) == []


def test_speed_is_in_sizes_and_jitter_is_not_speed() -> None:
    tracker = Tracker(TrackSettings())
    for step in range(10):
        tracker.update([hand(0.2 + 0.02 * step), face(0.7 + (0.002 if step % 2 else 0.0))], step / 10)
    moving, still = tracker.tracks
    assert moving.speed(0.15) == pytest.approx(2.0)
    assert still.speed(0.15) < 0.1


def test_repeating_a_frame_moves_nothing() -> None:
    tracker = Tracker(TrackSettings())
    tracker.update([hand(0.2)], 0.0)
    tracker.update([hand(0.3)], 0.1)
    for step in range(2, 30):
        tracker.repeat(step / 10)
    assert numbers(tracker) == [1]
    assert tracker.tracks[0].speed(0.15) == 0.0
