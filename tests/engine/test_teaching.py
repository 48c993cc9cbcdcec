"""A gesture on trial, and who watches the hands of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from gifcue.detect.detector import ServedModel
from gifcue.detect.regions import Region
from gifcue.engine.teaching import SeenHands, StreamTeaching
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.geometry import Box
from tests.support.gestures import constant_classifier
from tests.support.hands import VICTORY, sample

MODEL = ServedModel("hands", "1", "test", ("hand",), {"hand": 0.5}, 64, 64, smallest_hand_px=24.0)


def frame() -> FrameInFlight:
    return FrameInFlight(1, 1, 7, 0, 90_000, 0.0, 1, 0.0, width=640, height=360)


def hand(height: float = 0.5, score: float = 0.9, **attributes: float) -> Region:
    landmarks = sample(VICTORY, np.random.default_rng(1)).landmarks
    return Region("hand", Box(0.1, 0.1, 0.1 + height, 0.2), score, attributes, landmarks)


@pytest.fixture
def teaching() -> StreamTeaching:
    return StreamTeaching(lambda: MODEL)


def test_a_stream_that_teaches_nothing_gets_its_regions_as_they_are(teaching: StreamTeaching) -> None:
    regions = [hand()]
    assert not teaching.needs_landmarks
    assert teaching.observe("ada", frame(), regions) is regions


def test_a_gesture_on_trial_takes_the_place_of_one_in_service(teaching: StreamTeaching) -> None:
    seen = hand(fan=0.4, wave=0.1)
    teaching.use("fan", None)
    assert teaching.needs_landmarks
    assert teaching.observe("ada", frame(), [seen])[0].attributes == {"wave": 0.1}
    teaching.use("fan", constant_classifier("fan"))
    assert teaching.observe("ada", frame(), [seen])[0].attributes == {
        "wave": 0.1,
        "fan": pytest.approx(0.9, abs=1e-3),
    }
    teaching.use(None, None)
    assert teaching.observe("ada", frame(), [seen])[0] is seen


def test_small_hands_count_less_and_faces_not_at_all(teaching: StreamTeaching) -> None:
    teaching.use("fan", constant_classifier("fan"))
    # The longer side is the width of 64 pixels in the first, so the box must be narrow to be small.
    small = Region("hand", Box(0.1, 0.1, 0.1 + 28 / 360, 0.12), 0.9, {}, hand().landmarks)
    face = Region("face", Box(0.1, 0.1, 0.4, 0.4), 0.9, {"smile": 0.2}, hand().landmarks)
    bare = Region("hand", Box(0.1, 0.1, 0.4, 0.4), 0.9)
    tried = teaching.observe("ada", frame(), [small, face, bare])
    assert tried[0].attributes["fan"] == pytest.approx(0.45, abs=1e-2)
    assert tried[1:] == [face, bare]


def test_watchers_see_sure_hands_the_largest_first_until_they_stop(teaching: StreamTeaching) -> None:
    seen: list[SeenHands] = []
    stop = teaching.watch(seen.append)
    assert teaching.is_watched
    small, large, unsure = hand(0.2), hand(0.6), hand(0.9, score=0.3)
    teaching.observe("ada", frame(), [small, large, unsure])
    stop()
    teaching.observe("ada", frame(), [small])
    (only,) = seen
    assert (only.participant_id, only.sequence, only.aspect) == ("ada", 7, pytest.approx(16 / 9))
    assert only.hands == (large, small)
    assert not teaching.needs_landmarks
