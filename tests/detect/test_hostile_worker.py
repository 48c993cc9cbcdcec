"""What the front does with a detector worker that sends what it should not: ends it, and nothing else."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from gifcue.detect.messages import MAX_REGIONS, InlinePicture, pack, unpack
from gifcue.detect.pool import DetectorPool
from gifcue.detect.regions import Region
from gifcue.detect.settings import DetectSettings
from gifcue.errors import WorkerLost
from gifcue.protocol.geometry import Box
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.hostile_worker import DETECTOR, whole
from tests.support.waiting import until

SUPERVISION = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
BOX = [0.1, 0.2, 0.3, 0.4]
FACE = ["face", *BOX, 0.9, {"smile": 0.8}, b"", 2]


@pytest.fixture
async def pool() -> AsyncIterator[DetectorPool]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=12)
    pool = DetectorPool(
        DetectSettings(workers=1),
        arena,
        SUPERVISION,
        on_detected=lambda *_: None,
        on_lost=lambda *_: None,
        target=DETECTOR,
    )
    await pool.start()
    yield pool
    await pool.stop()
    arena.close()


def result(answer: Any, number: int = 1, infer_ms: float = 1.0) -> bytes:
    return whole([1, number, [answer], infer_ms])


def face(**fields: Any) -> bytes:
    names = ("kind", "ymin", "xmin", "ymax", "xmax", "score", "attributes", "landmarks", "axes")
    return result([list((dict(zip(names, FACE, strict=True)) | fields).values())])


async def annotate(pool: DetectorPool, sent: bytes) -> list[Region]:
    return await pool.annotate(InlinePicture(sent, 1, 1))


HOSTILE = {
    "the answer to another batch": (result([FACE], number=2), "expected 1 answers to batch 1, got 1 to 2"),
    "two answers to one picture": (whole([1, 1, [[], []], 1.0]), "expected 1 answers to batch 1, got 2 to 1"),
    "a time that is no number": (result([FACE], infer_ms=math.nan), "Expected `float`"),
    "a kind that is none": (face(kind="foot"), "Invalid enum value 'foot'"),
    "a box that is no number": (face(ymax=math.nan), "Expected `float`"),
    "an infinite score": (face(score=math.inf), "Expected `float`"),
    "an attribute that is no number": (face(attributes={"smile": math.nan}), "Expected `float`"),
    "too many attributes": (
        face(attributes={str(number): 0.0 for number in range(300)}),
        "Expected `object` of length <= 256",
    ),
    "a long name": (face(attributes={"x" * 201: 0.0}), "Expected `str` of length <= 200"),
    "half a landmark": (face(landmarks=bytes(12)), "expected landmarks of 8 bytes each, got 12 bytes"),
    "landmarks that are no numbers": (face(landmarks=b"\xff" * 8), "expected finite landmarks"),
    "landmarks of no dimension": (face(axes=0), "Expected `int` >= 2"),
    "too many regions": (result([FACE] * (MAX_REGIONS + 1)), "Expected `array` of length <= 1024"),
    "a report that nobody asked for": (
        whole([2, 1, 1, 0, {}, [0] * 9, 0.0, 0, 0, 0, 0, 0]),
        "expected no report that nobody asked for",
    ),
    "an endless text": (result("x" * 2000), "Expected `str` of length <= 1000"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_result_ends_the_worker_and_nothing_else(pool: DetectorPool, name: str) -> None:
    sent, expected = HOSTILE[name]
    with pytest.raises(WorkerLost) as lost:
        await annotate(pool, sent)
    assert "sent a message that does not fit: " in str(lost.value)
    assert expected in str(lost.value)
    await until(lambda: pool.is_ready)
    (region,) = await annotate(pool, result([FACE], number=2))
    assert (region.kind, region.box, region.score, region.attributes) == (
        "face",
        Box(*BOX),
        0.9,
        {"smile": 0.8},
    )


@pytest.mark.parametrize("axes", [2, 3])
def test_regions_arrive_as_they_were_found(axes: int) -> None:
    landmarks = np.linspace(0.0, 1.0, 21 * axes, dtype=np.float32).reshape(21, axes)
    found = [
        Region(
            "hand",
            Box(0.1, 0.2, 0.3, 0.4),
            np.float64(0.5),
            {"wave": np.float64(0.25)},
            landmarks.T.copy().T,
        ),
        Region("face", Box(0.0, 0.0, 1.0, 1.0), 1.0),
    ]
    packed = pack(found, landmarks=True)
    assert not isinstance(packed, str)
    hand, face = unpack(packed)
    assert (hand.kind, hand.box, hand.score, hand.attributes) == ("hand", found[0].box, 0.5, {"wave": 0.25})
    assert hand.landmarks is not None
    assert np.array_equal(hand.landmarks, landmarks)
    assert (face.kind, face.landmarks) == ("face", None)


@pytest.mark.parametrize(
    "region",
    [
        Region("face", Box(0.0, 0.0, 1.0, 1.0), math.nan),
        Region("face", Box(0.0, math.inf, 1.0, 1.0), 0.5),
        Region("face", Box(0.0, 0.0, 1.0, 1.0), 0.5, {"smile": math.nan}),
        Region("face", Box(0.0, 0.0, 1.0, 1.0), 0.5, {}, np.full((2, 2), np.nan, np.float32)),
        Region("hand", Box(0.0, 0.0, 1.0, 1.0), 0.5, {}, np.full((2, 2), np.nan, np.float32)),
    ],
)
def test_a_model_that_computes_no_number_fails_on_that_picture_alone(region: Region) -> None:
    message = pack([region], landmarks=True)
    assert isinstance(message, str)
    assert message.startswith("expected finite")


def test_a_center_that_is_no_number_fails_on_that_picture_alone_though_nobody_asked_for_landmarks() -> None:
    region = Region("hand", Box(0.0, 0.0, 1.0, 1.0), 0.5, {}, np.full((2, 2), np.nan, np.float32))
    assert pack([region], landmarks=False) == "expected finite landmarks, got others"
