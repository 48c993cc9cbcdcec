"""What the front does with a still decoder that an attacker has taken over: the still is lost, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gifcue.errors import MediaError
from gifcue.media import still_pool
from gifcue.media.still_messages import StillDone
from gifcue.media.still_pool import DecodedStill, StillPool
from gifcue.media.still_settings import StillSettings
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.hostile_worker import STILLS, whole
from tests.support.waiting import until

SUPERVISION = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)

HOSTILE = {
    "no msgpack": (b"\xc1", "MessagePack data is malformed"),
    "the answer to another still": (
        [1, 77, 4, 2, 4, 2],
        "expected that to still 1 as an answer, got that to still 77",
    ),
    "a picture larger than its slot": (
        [1, 1, 4000, 4000, 4000, 4000],
        "expected a picture of at most 2764800 bytes, got 4000x4000 pixels RGB",
    ),
    "a picture without pixels": ([1, 1, 0, 2, 4, 2], "Expected `int` >= 1"),
    "an endless text": ([2, 1, "invalid_data", "x" * 2000], "Expected `str` of length <= 1000"),
    "a reason that is none": ([2, 1, "boredom", ""], "Invalid enum value 'boredom'"),
}


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StillPool]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    monkeypatch.setattr(still_pool, "STILL_TARGET", STILLS)
    arena = Arena.create(1, 2, StillSettings().slot_bytes)
    pool = StillPool(StillSettings(), arena, SUPERVISION, max_pixels=1_000_000, max_still_bytes=100_000)
    await pool.start()
    yield pool
    await pool.stop()
    arena.close()


async def decoded(pool: StillPool, sent: bytes) -> DecodedStill:
    async with pool.decoded(sent, "alice") as still:
        return still


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_answer_ends_the_decoder_and_nothing_else(pool: StillPool, name: str) -> None:
    sent, expected = HOSTILE[name]
    with pytest.raises(MediaError) as lost:
        await decoded(pool, whole(sent))
    assert "sent a message that does not fit: " in str(lost.value)
    assert expected in str(lost.value)
    await until(lambda: pool.statistics().workers[0].state == "ready")
    still = await decoded(pool, whole(StillDone(2, 4, 2, 8, 4)))
    assert (still.width, still.height, still.source_width, still.source_height) == (4, 2, 8, 4)
    assert pool.statistics().slots_out == 0


async def test_a_still_is_answered_once(pool: StillPool) -> None:
    answer = whole(StillDone(1, 4, 2, 8, 4))
    await decoded(pool, answer + answer)
    await until(lambda: pool.statistics().workers[0].restarts == 1)
    assert "expected none as an answer" in pool.statistics().workers[0].last_failure
