"""The pool with real child processes and a fake detector."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gifcue.detect.messages import InlinePicture
from gifcue.detect.pool import DetectorPool
from gifcue.detect.regions import Region
from gifcue.detect.settings import DetectSettings
from gifcue.errors import GifcueError, Unavailable, WorkerLost, WorkerStartError
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import WorkerState
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.fake_detector import DIE, HOLD, INFO, RAISE
from tests.support.waiting import until, until_changed

WIDTH, HEIGHT = 4, 2
SLOTS = 64
SUPERVISION = SupervisionSettings(
    start_timeout_s=60.0, ping_interval_s=0.05, stuck_after_s=30.0, backoff_initial_s=0.0
)


@dataclass
class Result:
    """The outcome of a frame. `reason` is None if a detector answered."""

    key: int
    token: int
    reason: DropReason | None = None
    regions: list[Region] = field(default_factory=list)
    message: str = ""


class Kit:
    """A pool, its arena, and the result of each frame."""

    def __init__(
        self,
        arena: Arena,
        settings: DetectSettings,
        supervision: SupervisionSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.arena = arena
        self.offered: list[int] = []
        self.results: list[Result] = []
        self.fails = False
        self.changed = asyncio.Event()
        self.pool = DetectorPool(
            settings,
            arena,
            supervision,
            on_detected=lambda frame, regions: self._note(Result(frame.key, frame.token, None, regions)),
            on_lost=lambda frame, reason, message: self._note(
                Result(frame.key, frame.token, reason, [], message)
            ),
            target="tests.support.fake_detector:main",
            clock=clock,
        )

    def _note(self, result: Result) -> None:
        self.results.append(result)
        self.changed.set()
        if self.fails:
            raise LookupError

    def write(self, slot: int, value: int) -> None:
        self.arena.slot(slot)[: WIDTH * HEIGHT * 3] = bytes([value]) * (WIDTH * HEIGHT * 3)

    def offer(self, key: int, token: int, value: int) -> None:
        """Offers a frame in the slot with the number of its token."""
        self.offered.append(token)
        self.write(token, value)
        self.offer_picture(key, token, WIDTH, HEIGHT)

    def offer_picture(self, key: int, token: int, width: int, height: int) -> None:
        frame = FrameInFlight(
            key, token, token, 0, 90_000, 0.0, 0, 0.0, slot=token, width=width, height=height
        )
        self.pool.offer(frame)

    async def until(self, count: int) -> list[Result]:
        """Waits for at least `count` results. Returns all."""
        await until_changed(self.changed, lambda: len(self.results) >= count, state=lambda: self.results)
        return self.results

    async def until_held(self, count: int) -> None:
        """Waits until the workers hold at least `count` frames."""
        await until(lambda: self.pool.statistics().in_flight >= count)

    def reasons(self) -> dict[int, DropReason | None]:
        """The drop reason of each frame by token; None if a detector answered."""
        return {result.token: result.reason for result in self.results}

    def check_each_frame_has_one_result(self) -> None:
        """Asserts that each offered frame has exactly one result."""
        assert sorted(result.token for result in self.results) == sorted(self.offered)

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.pool.statistics().workers]


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena.create(ranges=1, slots_per_range=SLOTS, slot_bytes=WIDTH * HEIGHT * 3)
    yield arena
    arena.close()


@pytest.fixture
async def kit(arena: Arena) -> AsyncIterator[Kit]:
    kit = Kit(arena, DetectSettings(workers=1, max_batch=4, max_stills=2), SUPERVISION)
    await kit.pool.start()
    yield kit
    await kit.pool.stop()


async def test_each_frame_gets_the_regions_of_its_own_pixels(kit: Kit) -> None:
    for token in range(6):
        kit.offer(key=token, token=token, value=10 * token)
    results = await kit.until(6)
    assert {result.token: round(result.regions[0].score * 255) for result in results} == {
        token: 10 * token for token in range(6)
    }
    assert all(result.key == result.token for result in results)
    kit.check_each_frame_has_one_result()


async def test_frames_of_one_loop_turn_share_a_batch_in_the_statistics(kit: Kit) -> None:
    for token in range(4):
        kit.offer(key=token, token=token, value=1)
    results = await kit.until(4)
    assert [result.regions[0].attributes["batch"] for result in results] == [4.0] * 4
    statistics = kit.pool.statistics()
    assert statistics.batches == {4: 1}
    assert statistics.in_flight == 0
    assert statistics.infer.p95_ms > 0.0
    assert (statistics.infer.count, statistics.wait.count) == (1, 4)
    assert statistics.queue.taken == 4


async def test_the_model_is_available_once_the_pool_is_ready(kit: Kit) -> None:
    assert kit.pool.is_ready
    assert kit.pool.info == INFO


async def test_a_newer_frame_supersedes_the_waiting_one(kit: Kit) -> None:
    kit.offer(key=1, token=0, value=HOLD)
    await kit.until_held(1)
    kit.offer(key=1, token=1, value=11)
    kit.offer(key=1, token=2, value=12)
    assert kit.reasons() == {1: DropReason.SUPERSEDED}
    kit.write(0, 10)
    await kit.until(3)
    assert kit.reasons() == {0: None, 1: DropReason.SUPERSEDED, 2: None}
    kit.check_each_frame_has_one_result()


async def test_the_longest_waiting_participant_is_served_first(kit: Kit) -> None:
    kit.offer(key=9, token=0, value=HOLD)
    await kit.until_held(1)
    # Participant 1 sends continuously, participants 2 to 5 once each. A batch has four frames.
    for token in range(1, 10):
        kit.offer(key=1, token=token, value=1)
    for key in range(2, 6):
        kit.offer(key=key, token=8 + key, value=1)
    kit.write(0, 1)
    await kit.until(14)
    served = [result.key for result in kit.results if result.reason is None]
    assert served == [9, 1, 2, 3, 4, 5]
    kit.check_each_frame_has_one_result()


async def test_a_participant_that_leaves_has_its_frame_ended(kit: Kit) -> None:
    kit.offer(key=1, token=0, value=HOLD)
    await kit.until_held(1)
    kit.offer(key=2, token=1, value=1)
    kit.pool.forget(2)
    kit.pool.forget(2)
    assert kit.reasons() == {1: DropReason.SUPERSEDED}
    kit.write(0, 1)
    await kit.until(2)
    kit.check_each_frame_has_one_result()


async def test_a_frame_that_the_detector_fails_on_does_not_lose_the_others(kit: Kit) -> None:
    for token, value in enumerate((1, RAISE, 3)):
        kit.offer(key=token, token=token, value=value)
    await kit.until(3)
    assert kit.reasons() == {0: None, 1: DropReason.DETECT_FAILED, 2: None}
    assert next(result for result in kit.results if result.token == 1).message == "RuntimeError: told to"
    assert kit.pool.statistics().workers[0].restarts == 0


async def test_a_picture_larger_than_its_slot_fails_alone(kit: Kit) -> None:
    kit.offered += [0, 1]
    kit.offer_picture(1, 0, 4000, 4000)
    kit.offer_picture(2, 1, WIDTH, HEIGHT)
    await kit.until(2)
    assert kit.reasons() == {0: DropReason.DETECT_FAILED, 1: None}
    kit.check_each_frame_has_one_result()


async def test_a_killed_worker_loses_its_batch_and_nothing_else(kit: Kit) -> None:
    for token in range(4):
        kit.offer(key=token, token=token, value=HOLD)
    await kit.until_held(4)
    for token in range(4, 7):
        kit.offer(key=token, token=token, value=7)
    before = kit.pids[0]
    os.kill(before, signal.SIGKILL)
    await kit.until(7)
    lost = [DropReason.DETECT_WORKER_LOST] * 4
    assert [kit.reasons()[token] for token in range(7)] == lost + [None] * 3
    assert "SIGKILL" in kit.results[0].message
    assert kit.pids[0] != before
    assert kit.pool.statistics().workers[0].restarts == 1
    kit.check_each_frame_has_one_result()


async def test_a_worker_that_crashes_on_a_picture_is_replaced(kit: Kit) -> None:
    kit.offer(key=1, token=0, value=DIE)
    kit.offer(key=1, token=1, value=5)
    await kit.until(1)
    kit.offer(key=2, token=2, value=DIE)
    await kit.until(3)
    kit.offer(key=3, token=3, value=6)
    await kit.until(4)
    assert kit.reasons()[3] is None
    kit.check_each_frame_has_one_result()


async def test_a_stuck_worker_is_replaced(arena: Arena) -> None:
    short_timeout = SUPERVISION.model_copy(update={"stuck_after_s": 2.0})
    kit = Kit(arena, DetectSettings(workers=1, max_batch=1), short_timeout)
    await kit.pool.start()
    try:
        kit.offer(key=1, token=0, value=HOLD)
        kit.offer(key=2, token=1, value=5)
        await kit.until(2)
        assert kit.reasons() == {0: DropReason.DETECT_WORKER_LOST, 1: None}
        assert "stuck: expected a sign of life" in kit.results[0].message
    finally:
        await kit.pool.stop()


async def test_workers_share_the_waiting_frames(arena: Arena) -> None:
    kit = Kit(arena, DetectSettings(workers=2, max_batch=8), SUPERVISION)
    await kit.pool.start()
    try:
        workers = kit.pool.statistics
        await until(lambda: all(worker.state is WorkerState.READY for worker in workers().workers))
        for token in range(4):
            kit.offer(key=token, token=token, value=1)
        results = await kit.until(4)
        assert [result.regions[0].attributes["batch"] for result in results] == [2.0] * 4
    finally:
        await kit.pool.stop()


async def test_a_free_worker_waits_up_to_max_wait_for_a_full_batch(arena: Arena) -> None:
    now_s = 0.0
    settings = DetectSettings(workers=1, max_batch=2, max_wait_ms=100.0)
    kit = Kit(arena, settings, SUPERVISION, lambda: now_s)
    await kit.pool.start()
    try:
        kit.offer(key=1, token=0, value=1)
        await asyncio.sleep(0)
        assert kit.pool.statistics().in_flight == 0
        kit.offer(key=2, token=1, value=1)
        results = await kit.until(2)
        assert [result.regions[0].attributes["batch"] for result in results] == [2.0] * 2
        kit.offer(key=1, token=2, value=1)
        now_s = 0.1
        await asyncio.sleep(0)
        assert kit.pool.statistics().in_flight == 1
        await kit.until(3)
    finally:
        await kit.pool.stop()


async def test_a_model_that_is_missing_fails_at_once(arena: Arena) -> None:
    kit = Kit(arena, DetectSettings(model_dir=Path("missing"), workers=2), SUPERVISION)
    with pytest.raises(WorkerStartError, match="ModelError: missing: expected a model, got none"):
        await kit.pool.start()
    assert kit.pool.has_failed
    kit.offer(key=1, token=0, value=1)
    assert kit.reasons() == {0: DropReason.DETECT_WORKER_LOST}
    with pytest.raises(Unavailable):
        await kit.pool.annotate(InlinePicture(bytes(24), WIDTH, HEIGHT))
    await kit.pool.stop()


async def test_a_failure_of_all_ends_the_waiting_frames_until_one_is_back(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(arena, DetectSettings(workers=1, max_batch=1), SUPERVISION)
    await kit.pool.start()
    python = sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    kit.offer(key=1, token=0, value=DIE)
    kit.offer(key=2, token=1, value=1)
    await kit.until(2)
    assert kit.reasons() == {0: DropReason.DETECT_WORKER_LOST, 1: DropReason.DETECT_WORKER_LOST}
    assert kit.pool.has_failed
    monkeypatch.setattr(sys, "executable", python)
    await until(lambda: kit.pool.is_ready)
    assert not kit.pool.has_failed
    kit.offer(key=1, token=2, value=1)
    await kit.until(3)
    assert kit.reasons()[2] is None
    await kit.pool.stop()


async def test_stop_finishes_held_frames_and_ends_waiting_ones(arena: Arena) -> None:
    kit = Kit(arena, DetectSettings(workers=1, max_batch=1), SUPERVISION)
    await kit.pool.start()
    kit.offer(key=1, token=0, value=HOLD)
    await kit.until_held(1)
    kit.offer(key=2, token=1, value=1)
    stopping = asyncio.create_task(kit.pool.stop())
    await kit.until(1)
    kit.write(0, 1)
    await stopping
    assert kit.reasons() == {0: None, 1: DropReason.DETECT_WORKER_LOST}
    kit.offer(key=2, token=2, value=1)
    assert kit.reasons()[2] is DropReason.DETECT_WORKER_LOST
    kit.check_each_frame_has_one_result()


async def test_an_error_in_a_callback_does_not_lose_the_next_result(kit: Kit) -> None:
    faults: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
    kit.fails = True
    for token in range(3):
        kit.offer(key=token, token=token, value=1)
    await kit.until(3)
    assert faults == ["a detector's result could not be handled"] * 3


class TestAnnotate:
    async def test_a_still_gets_its_regions(self, kit: Kit) -> None:
        regions = await kit.pool.annotate(InlinePicture(bytes([51]) * 24, WIDTH, HEIGHT))
        assert [round(region.score, 3) for region in regions] == [0.2]

    async def test_a_still_that_fails_has_the_reason(self, kit: Kit) -> None:
        with pytest.raises(GifcueError, match="RuntimeError: told to"):
            await kit.pool.annotate(InlinePicture(bytes([RAISE]) * 24, WIDTH, HEIGHT))

    async def test_a_still_with_the_wrong_number_of_bytes_fails(self, kit: Kit) -> None:
        with pytest.raises(GifcueError, match="expected a picture of 1 to 5 bytes, got 4x2"):
            await kit.pool.annotate(InlinePicture(bytes(5), WIDTH, HEIGHT))

    async def test_a_still_whose_worker_dies_is_an_error(self, kit: Kit) -> None:
        with pytest.raises(WorkerLost, match="SIGKILL"):
            await kit.pool.annotate(InlinePicture(bytes([DIE]) * 24, WIDTH, HEIGHT))

    async def test_too_many_stills_are_refused_and_a_cancelled_one_makes_room(self, kit: Kit) -> None:
        kit.offer(key=1, token=0, value=HOLD)
        await kit.until_held(1)
        waiting = [
            asyncio.create_task(kit.pool.annotate(InlinePicture(bytes(24), WIDTH, HEIGHT))) for _ in range(2)
        ]
        await until(lambda: kit.pool.statistics().queue.stills == 2)
        with pytest.raises(Unavailable, match="at most 2 stills"):
            await kit.pool.annotate(InlinePicture(bytes(24), WIDTH, HEIGHT))
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        assert kit.pool.statistics().queue.stills == 1
        kit.write(0, 1)
        assert len(await waiting[1]) == 1
