"""What a still decoder does with one request, without a process."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from gifcue.media.still_messages import StillDone, StillFailed, StillRequest
from gifcue.media.still_settings import StillSettings
from gifcue.media.still_worker import budget_s, decode
from gifcue.media.stills import announced_pixels
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.workers.arena import Arena
from tests.support.damage import announcing

MAX_PIXELS = 3840 * 2160


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(1, 2, StillSettings().slot_bytes)
    yield arena
    arena.close()


def test_a_still_is_decoded_into_its_slot(arena: Arena, clip, frames) -> None:
    request = StillRequest(5, 1, clip(Codec.PNG).packets[0].payload)
    done = decode(request, arena, StillSettings(), MAX_PIXELS)
    assert done == StillDone(5, 640, 360, 640, 360)
    picture = np.frombuffer(arena.slot(1), np.uint8, 640 * 360 * 3).reshape(360, 640, 3)
    assert cv2.PSNR(picture, frames[0]) > 38.0
    assert not any(arena.slot(0)[:1000])


def test_a_large_still_is_scaled(arena: Arena, frames) -> None:
    large = cv2.imencode(".png", cv2.resize(frames[0], (3840, 2160)))[1].tobytes()
    done = decode(StillRequest(5, 0, large), arena, StillSettings(), MAX_PIXELS)
    assert done == StillDone(5, 1280, 720, 3840, 2160)


def test_bytes_that_are_no_still_are_answered(arena: Arena) -> None:
    failed = decode(StillRequest(6, 0, b"text"), arena, StillSettings(), MAX_PIXELS)
    assert failed == StillFailed(6, DropReason.INVALID_DATA, "expected a JPEG or PNG, got text")


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.PNG])
def test_the_budget_follows_the_announced_pixels(codec: Codec, clip) -> None:
    data = clip(codec).packets[0].payload
    assert announced_pixels(data) == 640 * 360
    assert budget_s(data, MAX_PIXELS) == pytest.approx(0.25 + 0.1 * 0.2304)
    # One with too many pixels is refused by its header.
    assert budget_s(announcing(codec, data, 16384, 16384), MAX_PIXELS) == 0.25
    for size in range(0, 200, 7):
        assert announced_pixels(data[:size]) in (0, 640 * 360)
