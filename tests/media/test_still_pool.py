"""The pool of stills with a real decoder."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from gifcue.errors import MediaError, Unavailable, WorkerLost
from gifcue.media.still_pool import DecodedStill, StillPool
from gifcue.media.still_settings import StillSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.waiting import until

# Long timeouts, so that no test fails on a slow machine.
SUPERVISION = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
SLOTS = 2


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(1, SLOTS, StillSettings().slot_bytes)
    yield arena
    arena.close()


@pytest.fixture
async def pool(arena: Arena) -> AsyncIterator[StillPool]:
    pool = StillPool(
        StillSettings(), arena, SUPERVISION, max_pixels=3840 * 2160, max_still_bytes=2 * 1024 * 1024
    )
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture
def jpeg(clip) -> bytes:
    return clip(Codec.JPEG).packets[0].payload


async def decoded(pool: StillPool, data: bytes, caller: str = "alice") -> DecodedStill:
    async with pool.decoded(data, caller) as still:
        return still


def stop(pool: StillPool) -> int:
    """Stops the decoder, so that what it is sent waits. Returns its number."""
    pid = pool.statistics().workers[0].pid
    os.kill(pid, signal.SIGSTOP)
    return pid


async def test_a_slot_is_in_use_within_the_block_alone(pool: StillPool, jpeg: bytes) -> None:
    async with pool.decoded(jpeg, "alice") as still:
        assert (still.width, still.height, still.source_width, still.source_height) == (640, 360, 640, 360)
        assert pool.statistics().slots_out == 1
    figures = pool.statistics()
    assert (figures.slots_out, figures.decoded, figures.waiting) == (0, 1, 0)


async def test_a_still_that_cannot_be_decoded_is_an_error_and_frees_its_slot(pool: StillPool) -> None:
    with pytest.raises(MediaError, match="expected a JPEG or PNG, got text") as caught:
        await decoded(pool, b"once upon a time")
    assert caught.value.reason is DropReason.INVALID_DATA
    figures = pool.statistics()
    assert (figures.slots_out, figures.failed) == (0, {"invalid_data": 1})


async def test_stills_wait_for_a_slot(pool: StillPool, jpeg: bytes) -> None:
    async with pool.decoded(jpeg, "alice"), pool.decoded(jpeg, "alice"):
        waiting = asyncio.ensure_future(decoded(pool, jpeg))
        await asyncio.sleep(0)
        assert (pool.statistics().slots_out, pool.statistics().waiting) == (SLOTS, 1)
    assert (await waiting).width == 640


async def test_callers_that_leave_free_what_they_held(pool: StillPool, jpeg: bytes) -> None:
    pid = stop(pool)
    held, waiting = [asyncio.ensure_future(decoded(pool, jpeg)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (pool.statistics().slots_out, pool.statistics().waiting) == (1, 1)
    for call in (held, waiting):
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    # The decoder may still write into the slot of the one that it holds.
    assert (pool.statistics().slots_out, pool.statistics().waiting) == (1, 0)
    os.kill(pid, signal.SIGCONT)
    await until(lambda: pool.statistics().slots_out == 0)
    assert (await decoded(pool, jpeg)).width == 640


async def test_a_still_that_costs_its_decoder_is_refused_from_then_on(pool: StillPool, jpeg: bytes) -> None:
    pid = stop(pool)
    culprit, waiting = [
        asyncio.ensure_future(decoded(pool, data, caller))
        for data, caller in ((jpeg + b"x", "eve"), (jpeg, "alice"))
    ]
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(MediaError, match=r"its decoder was lost with: .*SIGKILL"):
        await culprit
    # The next decoder takes what waited.
    assert (await waiting).width == 640
    restarts = pool.statistics().workers[0].restarts
    with pytest.raises(MediaError, match="a decoder was lost with these bytes before"):
        await decoded(pool, jpeg + b"x", "mallory")
    figures = pool.statistics()
    assert (figures.workers[0].restarts, restarts) == (1, 1)
    assert figures.failed == {"worker_lost": 1, "lost_before": 1}


async def test_a_still_over_its_budget_of_cpu_time_ends_its_decoder(
    pool: StillPool, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing of the test's own can take 250 ms of CPU time on every machine. What the kernel sends then is sent here.
    pid = stop(pool)
    culprit = asyncio.ensure_future(decoded(pool, jpeg))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGPROF)
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(MediaError, match=r"budget of CPU time, got .*SIGPROF"):
        await culprit


async def test_without_a_decoder_stills_are_refused(pool: StillPool, jpeg: bytes) -> None:
    await pool.stop()
    with pytest.raises(Unavailable, match="expected a decoder of stills"):
        await decoded(pool, jpeg)


async def test_stop_answers_what_waits(pool: StillPool, jpeg: bytes) -> None:
    async with pool.decoded(jpeg, "alice"), pool.decoded(jpeg, "alice"):
        waiting = asyncio.ensure_future(decoded(pool, jpeg))
        await asyncio.sleep(0)
        await pool.stop()
    with pytest.raises((Unavailable, WorkerLost)):
        await waiting
