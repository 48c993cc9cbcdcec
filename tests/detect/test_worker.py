"""Detection in the worker, without a process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.messages import Batch, InlinePicture, SlotPicture, StillPicture, unpack
from gifcue.detect.regions import Region
from gifcue.detect.worker import _log_once, detect_batch, view
from gifcue.protocol.geometry import Box
from gifcue.workers.arena import Arena
from tests.support.fake_detector import INFO, RAISE, FakeDetector


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(ranges=1, slots_per_range=4, slot_bytes=30)
    yield arena
    arena.close()


@pytest.fixture
def detector() -> FakeDetector:
    return FakeDetector(DetectorConfig(model_dir=Path()))


class BrokenDetector:
    """Fails on everything."""

    info: ServedModel = INFO
    warmed = 0

    def warm(self) -> None:
        self.warmed += 1
        raise MemoryError("the device is out of memory")

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        pass

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        raise MemoryError("the device is out of memory")

    def close(self) -> None:
        pass


def test_a_view_is_read_only_rgb() -> None:
    arena = Arena.create(ranges=1, slots_per_range=4, slot_bytes=30)
    arena.slot(2)[:18] = bytes(range(18))
    frame = view(arena, SlotPicture(2, width=3, height=2))
    assert frame.shape == (2, 3, 3)
    assert frame[1, 0].tolist() == [9, 10, 11]
    inline = view(arena, InlinePicture(bytes(range(18)), width=3, height=2))
    assert (inline == frame).all()
    assert not inline.flags.writeable
    del frame
    arena.close()


@pytest.mark.parametrize(("width", "height"), [(4, 3), (0, 1), (-1, -1)])
def test_a_picture_larger_than_its_slot_is_refused(arena: Arena, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="expected a picture of"):
        view(arena, SlotPicture(0, width, height))


def test_an_unreadable_picture_fails_at_its_position(arena: Arena, detector: FakeDetector) -> None:
    good = InlinePicture(bytes([51]) * 3, 1, 1)
    result = detect_batch(
        detector, arena, Batch(7, (SlotPicture(99, 1, 1), good, InlinePicture(b"", 1, 1), good))
    )
    assert result.number == 7
    assert result.answers[0] == "expected a slot of 0..3, got 99"
    assert isinstance(result.answers[2], str)
    assert [len(result.answers[place]) for place in (1, 3)] == [1, 1]
    assert result.infer_ms > 0.0


def test_one_failing_picture_fails_alone(arena: Arena, detector: FakeDetector) -> None:
    batch = Batch(1, tuple(InlinePicture(bytes([value]) * 3, 1, 1) for value in (1, RAISE, 3)))
    results = detect_batch(detector, arena, batch).answers
    assert results[1] == "RuntimeError: told to"
    # The other pictures were analysed again, one by one.
    others = [found for found in (results[0], results[2]) if not isinstance(found, str)]
    assert [found[0].attributes for found in others] == [{"batch": 1.0}] * 2


def test_a_detector_that_still_warms_is_kept_after_failures(arena: Arena, detector: FakeDetector) -> None:
    results = detect_batch(detector, arena, Batch(1, (InlinePicture(bytes([RAISE]) * 3, 1, 1),))).answers
    assert results == ("RuntimeError: told to",)


def test_repeated_failures_log_one_traceback(
    arena: Arena, detector: FakeDetector, caplog: pytest.LogCaptureFixture
) -> None:
    _log_once.cache_clear()
    for number in range(5):
        detect_batch(detector, arena, Batch(number, (InlinePicture(bytes([RAISE]) * 3, 1, 1),)))
    assert len(caplog.records) == 1
    assert "told to" in caplog.text


def test_a_detector_that_no_longer_warms_ends_its_process(arena: Arena) -> None:
    detector = BrokenDetector()
    with pytest.raises(MemoryError):
        detect_batch(detector, arena, Batch(1, (InlinePicture(bytes(3), 1, 1),)))
    assert detector.warmed == 1


def test_regions_for_fewer_frames_than_asked_are_a_failure(
    arena: Arena, detector: FakeDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "detect", lambda frames: [])
    results = detect_batch(detector, arena, Batch(1, (InlinePicture(bytes(3), 1, 1),))).answers
    assert results == ("ValueError: expected the regions of 1 frames, got those of 0",)


class LandmarkDetector(FakeDetector):
    """Finds a hand and a face with landmarks on every picture."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        box = Box(0.1, 0.1, 0.9, 0.9)
        hand = np.linspace((0.0, 0.5, 0.0), (1.0, 0.5, 1.0), 21, dtype=np.float32)
        face = np.zeros((50, 2), np.float32)
        return [[Region("hand", box, 0.9, {}, hand), Region("face", box, 0.8, {}, face)] for _ in frames]


def test_landmarks_are_sent_only_of_pictures_whose_stream_asks(arena: Arena) -> None:
    detector = LandmarkDetector(DetectorConfig(model_dir=Path()))
    pictures = (SlotPicture(0, 2, 2, landmarks=True), SlotPicture(1, 2, 2), StillPicture(0, 2, 2))
    asked, unasked, still = detect_batch(detector, arena, Batch(1, pictures), arena).answers
    assert not isinstance(asked, str)
    assert [len(each.landmarks) for each in asked] == [21 * 3 * 4, 50 * 2 * 4]
    for answer in (unasked, still):
        assert not isinstance(answer, str)
        assert [each.landmarks for each in answer] == [b"", b""]
        # The policy follows a hand by the centre of its landmarks.
        assert [each.landmark_center for each in answer] == [(0.5, 0.5), None]
        hand, face = unpack(answer)
        assert hand.landmarks is None
        assert hand.center_of_landmarks() == (0.5, 0.5)
        assert face.center_of_landmarks() is None
