from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from gifcue.media.messages import (
    Close,
    Dropped,
    Forget,
    Grant,
    Hold,
    Open,
    Pace,
    Picture,
    Skipped,
    StartOver,
    Submit,
)
from gifcue.media.settings import FilterSettings, MediaSettings
from gifcue.media.worker import DecodeWorker
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from gifcue.workers.arena import Arena

ALL = MediaSettings(filter=FilterSettings(enabled=False), max_analysis_fps=240.0, late_ms=1.0)


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(1, 4, ALL.slot_bytes)
    yield arena
    arena.close()


def make_worker(settings: MediaSettings, arena: Arena) -> DecodeWorker:
    """A worker whose units cost no time, so that outcomes can be compared."""
    return DecodeWorker(settings, arena, cpu_clock=lambda: 0.0)


def test_the_time_that_a_unit_took_is_stated(arena: Arena, clip) -> None:
    times = iter([1.0, 1.25, 2.0, 2.5])
    worker = DecodeWorker(ALL, arena, cpu_clock=lambda: next(times))
    worker.handle(Open(1, Codec.H264, b""))
    worker.control(Grant((0,)))
    picture, damaged = (
        worker.handle(each) for each in (unit(1, clip(Codec.H264), 0), Submit(1, 9, 1.0, b"x"))
    )
    assert isinstance(picture, Picture)
    assert isinstance(damaged, Dropped)
    assert (picture.spent_s, damaged.spent_s) == (0.25, 0.5)


def unit(key: int, clip, index: int) -> Submit:
    packet = clip.packets[index]
    return Submit(key, index, packet.pts / packet.clock_hz, packet.payload)


def test_a_picture_is_written_into_a_granted_slot(arena: Arena, clip, frames) -> None:
    worker = make_worker(ALL, arena)
    worker.handle(Open(1, Codec.VP8, b""))
    assert worker.control(Grant((2,)))
    picture = worker.handle(unit(1, clip(Codec.VP8), 0))
    assert picture == Picture(1, 0, 2, 640, 360, 0.0)
    assert cv2.PSNR(np.frombuffer(arena.slot(2), np.uint8).reshape(360, 640, 3), frames[0]) > 33.0
    assert not any(bytes(arena.slot(0)[:1000]))


def test_without_a_slot_the_unit_is_dropped_and_the_next_one_is_tried(arena: Arena, clip) -> None:
    worker = make_worker(ALL, arena)
    worker.handle(Open(1, Codec.H264, b""))
    outcome = worker.handle(unit(1, clip(Codec.H264), 0))
    assert isinstance(outcome, Dropped)
    assert (outcome.reason, outcome.needs_keyframe) == (DropReason.NO_SLOT, False)
    worker.control(Grant((0,)))
    assert isinstance(worker.handle(unit(1, clip(Codec.H264), 1)), Picture)


def test_invalid_data_affects_only_its_participant(arena: Arena, clip) -> None:
    worker = make_worker(ALL, arena)
    worker.control(Grant((0, 1, 2, 3)))
    for key in (1, 2):
        worker.handle(Open(key, Codec.H264, b""))
        assert isinstance(worker.handle(unit(key, clip(Codec.H264), 0)), Picture)
    bad = worker.handle(Submit(1, 1, 0.1, b"\0\0\0\1\x41 no such slice"))
    assert isinstance(bad, Dropped)
    assert (bad.reason, bad.needs_keyframe) == (DropReason.INVALID_DATA, True)
    after = worker.handle(unit(1, clip(Codec.H264), 2))
    assert isinstance(after, Dropped)
    assert (after.reason, after.needs_keyframe) == (DropReason.AWAITING_KEYFRAME, True)
    assert isinstance(worker.handle(unit(2, clip(Codec.H264), 1)), Picture)


def test_after_an_unexpected_error_the_participant_decodes_from_a_keyframe(
    arena: Arena, clip, monkeypatch
) -> None:
    worker = make_worker(ALL, arena)
    worker.control(Grant((0, 1)))
    worker.handle(Open(1, Codec.H264, b""))

    def fail(*_: object) -> None:
        raise RuntimeError("out of the blue")

    with monkeypatch.context() as patch:
        patch.setattr("gifcue.media.decoder.Decoder.decode", fail)
        outcome = worker.handle(unit(1, clip(Codec.H264), 0))
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.INVALID_DATA
    assert "RuntimeError: out of the blue" in outcome.message
    assert outcome.needs_keyframe
    assert isinstance(worker.handle(unit(1, clip(Codec.H264), 0)), Picture)


def test_an_unknown_participant_is_reported(arena: Arena, clip) -> None:
    worker = make_worker(ALL, arena)
    outcome = worker.handle(unit(9, clip(Codec.H264), 0))
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.UNKNOWN_PARTICIPANT


def test_holds_and_forgets_reach_the_filter(arena: Arena) -> None:
    still = encode(photo_frames(0.6, 10, motion="still"), Codec.VP8, 10.0)
    worker = make_worker(MediaSettings(), arena)
    worker.control(Grant((0, 1, 2, 3)))
    assert not worker.control(Hold(1, True))  # not open yet: the control is applied after the opening
    worker.handle(Open(1, Codec.VP8, b""))
    assert isinstance(worker.handle(unit(1, still, 0)), Picture)
    skipped = worker.handle(unit(1, still, 1))
    assert skipped == Skipped(1, 1, SkipReason.SIMILAR, pytest.approx(0.1))  # type: ignore[arg-type]
    assert worker.control(Hold(1, True))
    held = worker.handle(unit(1, still, 2))
    assert isinstance(held, Picture)
    assert worker.control(Hold(1, False))
    assert isinstance(worker.handle(unit(1, still, 3)), Skipped)
    assert worker.control(Forget(1))
    assert isinstance(worker.handle(unit(1, still, 4)), Picture)
    worker.handle(Close(1))
    assert worker.handle(Forget(1)) is None


def test_after_a_restart_a_frame_has_no_reference(arena: Arena) -> None:
    still = encode(photo_frames(0.6, 10, motion="still"), Codec.VP8, 10.0, keyframe_interval=2)
    worker = make_worker(MediaSettings(), arena)
    worker.control(Grant((0, 1, 2, 3)))
    worker.handle(Open(1, Codec.VP8, b""))
    assert isinstance(worker.handle(unit(1, still, 0)), Picture)
    assert isinstance(worker.handle(unit(1, still, 1)), Skipped)
    assert worker.handle(StartOver(1)) is None
    assert isinstance(worker.handle(unit(1, still, 2)), Picture)
    assert worker.handle(StartOver(2)) is None


def test_a_unit_without_a_picture_is_skipped(arena: Arena, clip) -> None:
    worker = make_worker(ALL, arena)
    worker.control(Grant((0, 1, 2, 3)))
    worker.handle(Open(1, Codec.H264, b""))
    shuffled = clip(Codec.H264, b_frames=2)
    outcomes = [worker.handle(unit(1, shuffled, index)) for index in range(4)]
    assert outcomes[0] == Skipped(1, 0, SkipReason.NO_PICTURE, 0.0)
    late = next(outcome for outcome in outcomes if isinstance(outcome, Picture))
    assert late.pts_s == 0.0
    assert late.token > 0


def test_a_picture_that_is_not_late_yet_is_not_replaced(arena: Arena, clip) -> None:
    worker = make_worker(ALL.model_copy(update={"late_ms": 80.0}), arena)
    worker.handle(Open(1, Codec.H264, b""))
    worker.control(Grant((0, 1, 2, 3)))
    outcomes = [worker.handle(unit(1, clip(Codec.H264), index)) for index in range(6)]
    spacing_s = unit(1, clip(Codec.H264), 1).pts_s
    taken = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Picture)]
    assert taken == [index for index in range(6) if index % math.ceil(0.08 / spacing_s) == 0]
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)} <= {SkipReason.PACED}
    # After the analysis the next picture is accepted.
    worker.control(Grant((0, 1, 2, 3)[: len(taken)]))
    assert isinstance(worker.handle(unit(1, clip(Codec.H264), 6)), Picture)


def test_the_pace_applies_to_all_participants_including_later_ones(arena: Arena, clip) -> None:
    settings = ALL.model_copy(update={"max_analysis_fps": 30.0})
    worker = make_worker(settings, arena)
    worker.handle(Open(1, Codec.H264, b""))
    assert worker.control(Pace(1.0))
    worker.handle(Open(2, Codec.H264, b""))
    worker.control(Grant((0, 1, 2, 3)))
    for key in (1, 2):
        outcomes = [worker.handle(unit(key, clip(Codec.H264), index)) for index in range(4)]
        assert [type(outcome) for outcome in outcomes] == [Picture, Skipped, Skipped, Skipped]
        assert {outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)} == {SkipReason.PACED}


def test_video_that_needs_too_much_memory_is_refused_and_the_others_decode(arena: Arena, clip) -> None:
    worker = make_worker(ALL.model_copy(update={"decoder_memory_mb": 4}), arena)
    worker.control(Grant((0, 1, 2, 3)))
    for key in (1, 2):
        worker.handle(Open(key, Codec.H264, b""))
    large = encode([np.zeros((1080, 1920, 3), np.uint8)] * 2, Codec.H264, 15.0)
    refused = worker.handle(unit(1, large, 0))
    assert isinstance(refused, Dropped)
    assert (refused.reason, refused.needs_keyframe) == (DropReason.TOO_EXPENSIVE, True)
    assert "MB to decode, got 1920x1088 with" in refused.message
    follows = worker.handle(unit(1, large, 1))
    assert isinstance(follows, Dropped)
    assert follows.reason is DropReason.AWAITING_KEYFRAME
    for index in range(3):
        assert isinstance(worker.handle(unit(2, clip(Codec.H264), index)), Picture)
    # Smaller video of the same participant is decoded as soon as it comes.
    worker.handle(Close(2))
    assert isinstance(worker.handle(unit(1, clip(Codec.H264), 0)), Picture)


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG, Codec.PNG])
def test_codecs_that_state_no_references_are_refused_by_their_first_picture(
    arena: Arena, clip, codec: Codec
) -> None:
    worker = make_worker(ALL.model_copy(update={"decoder_memory_mb": 1}), arena)
    worker.control(Grant((0, 1, 2, 3)))
    worker.handle(Open(1, codec, b""))
    refused = worker.handle(unit(1, clip(codec), 0))
    assert isinstance(refused, Dropped)
    assert refused.reason is DropReason.TOO_EXPENSIVE


def test_a_participant_that_leaves_gives_its_memory_back(arena: Arena, clip) -> None:
    worker = make_worker(ALL.model_copy(update={"decoder_memory_mb": 8}), arena)
    for key in range(50):
        worker.control(Grant((0,)))
        worker.handle(Open(key, Codec.H264, b""))
        assert isinstance(worker.handle(unit(key, clip(Codec.H264), 0)), Picture)
        worker.handle(Close(key))


def test_a_decoder_that_takes_more_than_its_headers_say_is_ended(arena: Arena, clip) -> None:
    taken = 0
    worker = DecodeWorker(ALL, arena, cpu_clock=lambda: 0.0, memory=lambda: taken)
    worker.control(Grant((0, 1, 2, 3)))
    large = encode([np.zeros((720, 1280, 3), np.uint8)] * 3, Codec.H264, 15.0, keyframe_interval=1)
    for key, shown in ((1, clip(Codec.H264)), (2, large)):
        worker.handle(Open(key, Codec.H264, b""))
        assert isinstance(worker.handle(unit(key, shown, 0)), Picture)
    worker.check_memory()
    taken = 10**12
    worker.check_memory()
    taken = 0
    ended = worker.handle(unit(2, large, 1))
    assert isinstance(ended, Dropped)
    assert (ended.reason, ended.needs_keyframe) == (DropReason.TOO_EXPENSIVE, True)
    assert isinstance(worker.handle(unit(2, large, 2)), Picture)
    assert isinstance(worker.handle(unit(1, clip(Codec.H264), 1)), Picture)


def test_a_turned_picture_is_upright_in_its_slot(arena: Arena, clip, frames) -> None:
    worker = make_worker(ALL, arena)
    worker.handle(Open(1, Codec.VP8, b""))
    worker.control(Grant((2,)))
    sideways = encode([np.ascontiguousarray(np.rot90(frames[0]))], Codec.VP8).packets[0]
    picture = worker.handle(Submit(1, 0, 0.0, sideways.payload, 90))
    assert picture == Picture(1, 0, 2, 640, 360, 0.0)
    assert cv2.PSNR(np.frombuffer(arena.slot(2), np.uint8).reshape(360, 640, 3), frames[0]) > 33.0


def test_a_picture_that_is_turned_otherwise_is_compared_with_none_before_it(arena: Arena) -> None:
    clip = encode(photo_frames(1.0, 10.0, motion="still"), Codec.VP8, 10.0)
    worker = make_worker(MediaSettings(max_analysis_fps=240.0, late_ms=1.0), arena)
    worker.handle(Open(1, Codec.VP8, b""))
    outcomes = []
    for index, rotation in enumerate((0, 0, 90, 90, 0)):
        worker.control(Grant((0,)))
        packet = clip.packets[index]
        outcomes.append(
            worker.handle(Submit(1, index, packet.pts / packet.clock_hz, packet.payload, rotation))
        )
    assert [isinstance(each, Picture) for each in outcomes] == [True, False, True, False, True]
    assert [each.reason for each in outcomes if isinstance(each, Skipped)] == [SkipReason.SIMILAR] * 2
