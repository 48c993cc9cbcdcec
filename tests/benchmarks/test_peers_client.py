"""The peers' client: open loop, latency from the time that a frame was due, and nothing lost from sight."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.peers.client import MOST_WAITING, Client, Footage, Plan, Seen, open_decoder
from benchmarks.seats import Seat
from gifcue.media.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.support.manual_time import ManualTime

# Of the clock, for one plan of a few seconds: far more than any test here takes.
MOST_STEPS = 10_000


class NumberedPictures:
    """Decodes nothing: a picture is the place of its packet, 1 byte."""

    def decode(self, payload: bytes) -> Any:
        return payload[0]


class Side:
    """Answers `takes_s` after it was asked, in any number at once; never where that is None."""

    def __init__(self, time: ManualTime, takes_s: float | None, fails: bool = False) -> None:
        self._time, self._takes_s, self._fails = time, takes_s, fails
        self.asked: list[tuple[int, Any, float]] = []

    async def open(self, target: str, seats: int) -> None: ...

    async def ask(self, seat: int, picture: Any) -> int:
        self.asked.append((seat, picture, self._time.clock()))
        if self._takes_s is None:
            await asyncio.get_running_loop().create_future()
        await self._time.sleep(self._takes_s or 0.0)
        if self._fails:
            raise ConnectionError("gone")
        return 2

    async def close(self) -> None: ...


def plan(seats: int = 1, moving_only: bool = False, rate: float = 5.0) -> Plan:
    """Ten frames a second of 20 packets, the first half of which stand still; 1 s to warm up, 4 s measured."""
    packets = [bytes([place]) for place in range(20)]
    footage = Footage("h264", b"", packets, [place >= 10 for place in range(20)])
    return Plan(
        target="",
        footage=[footage],
        seats=[Seat(f"seat-{place}", 0, 0.01 * place) for place in range(seats)],
        fps=10.0,
        rate=rate,
        moving_only=moving_only,
        warm_up_s=1.0,
        seconds=4.0,
        jitter_ms=0.0,
        seed=1,
    )


async def seen_of(time: ManualTime, plan: Plan, side: Side) -> Seen:
    """Runs the plan in simulated time: whenever all tasks wait, the clock advances to the first that wakes.

    Raises:
        AssertionError: the plan has not ended after `MOST_STEPS` of these steps.
    """
    client = Client(
        plan,
        side,
        decoders=lambda footage: NumberedPictures(),
        clock=time.clock,
        sleep=time.sleep,
        cpu=time.clock,
    )
    running = asyncio.create_task(client.run(time.clock()))
    for _ in range(MOST_STEPS):
        for _ in range(20):
            await asyncio.sleep(0)
        if running.done():
            return await running
        if time.waits_s:
            time.advance(time.waits_s[0])
    raise AssertionError(f"expected the plan to end within {MOST_STEPS} steps of the clock")


async def test_latency_counts_from_due_to_answer() -> None:
    time = ManualTime()

    seen = await seen_of(time, plan(seats=2), Side(time, takes_s=0.12))

    assert seen.offered == 2 * 4 * 5
    assert seen.latencies_ms == pytest.approx([120.0] * seen.offered)
    assert seen.detections == 2 * seen.offered
    assert seen.by_seat == [20, 20]
    assert seen.cpu_s == pytest.approx(4.0, abs=0.2)


async def test_a_slow_peer_neither_slows_the_load_nor_hides_the_wait() -> None:
    time = ManualTime()
    quick, slow = Side(time, takes_s=0.001), Side(time, takes_s=0.7)

    await seen_of(time, plan(), quick)
    begun_s = time.clock()
    seen = await seen_of(time, plan(), slow)

    assert [at_s - begun_s for _, _, at_s in slow.asked] == pytest.approx(
        [at_s for _, _, at_s in quick.asked]
    )
    assert seen.latencies_ms == pytest.approx([700.0] * 20)


async def test_every_sampled_frame_is_the_one_that_was_due() -> None:
    time = ManualTime()
    side = Side(time, takes_s=0.0)

    await seen_of(time, plan(), side)

    assert [picture for _, picture, _ in side.asked] == [place % 20 for place in range(0, 50, 2)]


async def test_frames_without_an_answer_are_offered_and_missing() -> None:
    time = ManualTime()

    seen = await seen_of(time, plan(), Side(time, takes_s=None))

    assert seen.offered == 20
    assert seen.latencies_ms == []
    # So many wait, from the warm-up on; the others are given up at once.
    assert seen.faults == {"given up": 25 - max(5, MOST_WAITING)}


async def test_faults_are_counted_with_what_was_said() -> None:
    time = ManualTime()

    seen = await seen_of(time, plan(), Side(time, takes_s=0.01, fails=True))

    assert seen.latencies_ms == []
    assert seen.faults == {"ConnectionError: gone": 20}


async def test_a_client_that_is_hopelessly_late_stops_and_still_counts_what_was_offered() -> None:
    time = ManualTime()

    class Stuck(NumberedPictures):
        def decode(self, payload: bytes) -> Any:
            time.advance(0.4)  # nobody else gets to do anything meanwhile
            return payload[0]

    client = Client(
        plan(),
        Side(time, 0.0),
        decoders=lambda footage: Stuck(),
        clock=time.clock,
        sleep=time.sleep,
        cpu=time.clock,
    )

    seen = await client.run(0.0)

    assert time.clock() < 8.5
    assert seen.offered == 20
    assert len(seen.latencies_ms) < 20
    assert max(seen.late_ms) > 2000.0


async def test_moving_only_asks_for_what_moves() -> None:
    time = ManualTime()
    side = Side(time, takes_s=0.0)

    seen = await seen_of(time, plan(moving_only=True), side)

    assert {picture for _, picture, _ in side.asked} == set(range(10, 20, 2))
    assert seen.offered == 10


async def test_warming_asks_once_for_each_seat_and_leaves_its_decoder_at_the_beginning() -> None:
    clip = encode(photo_frames(0.5, 10.0, 64, 36), Codec.H264, 10.0)
    footage = Footage("h264", clip.extradata, [packet.payload for packet in clip.packets], None)
    wanted = plan(seats=2)
    wanted = Plan(**{**wanted.__dict__, "footage": [footage]})
    time = ManualTime()
    side = Side(time, takes_s=0.0)
    client = Client(wanted, side, clock=time.clock, sleep=time.sleep)

    await client.warm()

    assert [seat for seat, _, _ in side.asked] == [0, 1]
    assert all((picture.width, picture.height) == (64, 36) for _, picture, _ in side.asked)
    assert open_decoder(footage).decode(footage.packets[0]) is not None
    assert client.seen.offered == 0
