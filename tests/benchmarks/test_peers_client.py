"""The load generator of the peers: open loop, latency from the due time, and every offered frame counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.participants import Participant
from benchmarks.peers.client import MAX_PENDING, ClientResult, Footage, LoadGenerator, Plan, open_decoder
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.support.manual_time import ManualTime

# Limit of clock steps for one plan, far more than any test here needs.
MAX_STEPS = 10_000


class NumberedPictures:
    """Returns the first byte of the packet, its index, as the picture."""

    def decode(self, payload: bytes) -> Any:
        return payload[0]


class PeerClient:
    """Answers concurrent requests after `takes_s` seconds each, or never if that is None."""

    def __init__(self, time: ManualTime, takes_s: float | None, fails: bool = False) -> None:
        self._time, self._takes_s, self._fails = time, takes_s, fails
        self.requests: list[tuple[int, Any, float]] = []

    async def open(self, target: str, participants: int) -> None: ...

    async def detect(self, participant: int, picture: Any) -> int:
        self.requests.append((participant, picture, self._time.clock()))
        if self._takes_s is None:
            await asyncio.get_running_loop().create_future()
        await self._time.sleep(self._takes_s or 0.0)
        if self._fails:
            raise ConnectionError("gone")
        return 2

    async def close(self) -> None: ...


def plan(participants: int = 1, moving_only: bool = False, rate: float = 5.0) -> Plan:
    """Ten frames per second from 20 packets, the first half of them still; 1 s of warm-up, 4 s measured."""
    packets = [bytes([place]) for place in range(20)]
    footage = Footage("h264", b"", packets, [place >= 10 for place in range(20)])
    return Plan(
        target="",
        footage=[footage],
        participants=[Participant(f"participant-{place}", 0, 0.01 * place) for place in range(participants)],
        fps=10.0,
        rate=rate,
        moving_only=moving_only,
        warm_up_s=1.0,
        seconds=4.0,
        jitter_ms=0.0,
        seed=1,
    )


async def run_plan(time: ManualTime, plan: Plan, peer: PeerClient) -> ClientResult:
    """Runs the plan in simulated time: whenever all tasks wait, the clock advances to the next wake-up.

    Raises:
        AssertionError: the plan has not ended after `MAX_STEPS` of these steps.
    """
    client = LoadGenerator(
        plan,
        peer,
        decoders=lambda footage: NumberedPictures(),
        clock=time.clock,
        sleep=time.sleep,
        cpu=time.clock,
    )
    running = asyncio.create_task(client.run(time.clock()))
    for _ in range(MAX_STEPS):
        for _ in range(20):
            await asyncio.sleep(0)
        if running.done():
            return await running
        if time.waits_s:
            time.advance(time.waits_s[0])
    raise AssertionError(f"expected the plan to end within {MAX_STEPS} steps of the clock")


async def test_latency_counts_from_due_to_answer() -> None:
    time = ManualTime()

    result = await run_plan(time, plan(participants=2), PeerClient(time, takes_s=0.12))

    assert result.offered == 2 * 4 * 5
    assert result.latencies_ms == pytest.approx([120.0] * result.offered)
    assert result.detections == 2 * result.offered
    assert result.by_participant == [20, 20]
    assert result.cpu_s == pytest.approx(4.0, abs=0.2)


async def test_a_slow_peer_does_not_slow_the_load() -> None:
    time = ManualTime()
    fast, slow = PeerClient(time, takes_s=0.001), PeerClient(time, takes_s=0.7)

    await run_plan(time, plan(), fast)
    start_s = time.clock()
    result = await run_plan(time, plan(), slow)

    assert [at_s - start_s for _, _, at_s in slow.requests] == pytest.approx(
        [at_s for _, _, at_s in fast.requests]
    )
    assert result.latencies_ms == pytest.approx([700.0] * 20)


async def test_every_second_frame_is_sampled_at_half_the_frame_rate() -> None:
    time = ManualTime()
    peer = PeerClient(time, takes_s=0.0)

    await run_plan(time, plan(), peer)

    assert [picture for _, picture, _ in peer.requests] == [place % 20 for place in range(0, 50, 2)]


async def test_frames_without_an_answer_are_offered_and_missing() -> None:
    time = ManualTime()

    result = await run_plan(time, plan(), PeerClient(time, takes_s=None))

    assert result.offered == 20
    assert result.latencies_ms == []
    # This many are pending since the warm-up. The others are given up at once.
    assert result.faults == {"given up": 25 - max(5, MAX_PENDING)}


async def test_faults_are_counted_by_message() -> None:
    time = ManualTime()

    result = await run_plan(time, plan(), PeerClient(time, takes_s=0.01, fails=True))

    assert result.latencies_ms == []
    assert result.faults == {"ConnectionError: gone": 20}


async def test_a_generator_that_is_far_behind_stops_and_counts_all_offered_frames() -> None:
    time = ManualTime()

    class Stuck(NumberedPictures):
        def decode(self, payload: bytes) -> Any:
            time.advance(0.4)  # no other task runs meanwhile
            return payload[0]

    client = LoadGenerator(
        plan(),
        PeerClient(time, 0.0),
        decoders=lambda footage: Stuck(),
        clock=time.clock,
        sleep=time.sleep,
        cpu=time.clock,
    )

    result = await client.run(0.0)

    assert time.clock() < 8.5
    assert result.offered == 20
    assert len(result.latencies_ms) < 20
    assert max(result.late_ms) > 2000.0


async def test_moving_only_samples_only_frames_in_motion() -> None:
    time = ManualTime()
    peer = PeerClient(time, takes_s=0.0)

    result = await run_plan(time, plan(moving_only=True), peer)

    assert {picture for _, picture, _ in peer.requests} == set(range(10, 20, 2))
    assert result.offered == 10


async def test_warming_requests_one_detection_per_participant_with_a_separate_decoder() -> None:
    clip = encode(photo_frames(0.5, 10.0, 64, 36), Codec.H264, 10.0)
    footage = Footage("h264", clip.extradata, [packet.payload for packet in clip.packets], None)
    wanted = plan(participants=2)
    wanted = Plan(**{**wanted.__dict__, "footage": [footage]})
    time = ManualTime()
    peer = PeerClient(time, takes_s=0.0)
    client = LoadGenerator(wanted, peer, clock=time.clock, sleep=time.sleep)

    await client.warm()

    assert [participant for participant, _, _ in peer.requests] == [0, 1]
    assert all((picture.width, picture.height) == (64, 36) for _, picture, _ in peer.requests)
    assert open_decoder(footage).decode(footage.packets[0]) is not None
    assert client.result.offered == 0
