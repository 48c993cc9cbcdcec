from __future__ import annotations

import pytest

from gifcue.ingest.pacing import ClosedLoop, RealTime, Unpaced
from gifcue.ingest.source import EncodedPacket


def due(due_s: float) -> EncodedPacket:
    return EncodedPacket(payload=b"x", pts=0, clock_hz=90_000, keyframe=False, due_s=due_s)


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s


async def test_real_time_keeps_to_the_recording_and_catches_up() -> None:
    time = Time()
    pacer = RealTime(time.clock, time.sleep)
    for due_s in (0.5, 0.6, 0.7):
        await pacer.wait(due(due_s))
    assert time.slept == pytest.approx([0.1, 0.1])
    time.now_s += 0.25  # the sender was delayed
    await pacer.wait(due(0.8))
    await pacer.wait(due(0.9))
    assert len(time.slept) == 2
    await pacer.wait(due(1.0))
    assert time.slept[2:] == pytest.approx([0.05])


async def test_the_closed_loop_waits_between_windows_until_nothing_is_in_flight() -> None:
    time = Time()
    flying = [3, 1, 0, 0]
    asked: list[int] = []

    async def in_flight() -> int:
        asked.append(flying.pop(0))
        return asked[-1]

    pacer = ClosedLoop(in_flight, window_s=0.1, sleep=time.sleep)
    for due_s in (0.0, 0.033, 0.066):
        await pacer.wait(due(due_s))
    assert asked == []
    await pacer.wait(due(0.1))
    assert asked == [3, 1, 0]
    assert len(time.slept) == 2
    await pacer.wait(due(0.133))
    await pacer.wait(due(0.2))
    assert asked == [3, 1, 0, 0]


async def test_unpaced_never_waits() -> None:
    await Unpaced().wait(due(1e9))
