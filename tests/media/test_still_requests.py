"""Answers are matched to the waiting calls, without a process."""

from __future__ import annotations

import asyncio

import pytest

from gifcue.errors import MediaError, WorkerLost
from gifcue.media.messages import StillDone, StillFailed, StillRequest
from gifcue.media.still_requests import StillRequests
from gifcue.protocol.reasons import DropReason


class Kit:
    """The requests of one worker, the messages sent, and the slots released."""

    def __init__(self) -> None:
        self.requests = StillRequests()
        self.sent: list[StillRequest] = []
        self.released: list[int] = []

    async def ask(self) -> tuple[asyncio.Task[StillDone], int]:
        """A waiting call and its number."""
        call = asyncio.create_task(self.requests.ask(b"jpeg", self.sent.append, self.released.append))
        await asyncio.sleep(0)
        return call, self.sent[-1].number


def done(number: int, slot: int | None = 3) -> StillDone:
    return StillDone(number, b"", 4, 2, 8, 4, slot)


async def test_each_call_gets_its_own_answer() -> None:
    kit = Kit()
    (first, one), (second, two) = await kit.ask(), await kit.ask()
    assert len(kit.requests) == 2
    assert kit.requests.take(done(two, 5))
    assert kit.requests.take(StillFailed(one, DropReason.INVALID_DATA, "text"))
    assert (await second).slot == 5
    with pytest.raises(MediaError, match="text"):
        await first
    assert len(kit.requests) == 0
    assert kit.released == []


async def test_an_answer_for_a_cancelled_call_is_refused() -> None:
    kit = Kit()
    call, number = await kit.ask()
    call.cancel()
    await asyncio.sleep(0)
    assert not kit.requests.take(done(number))
    assert kit.released == []


async def test_an_answer_that_arrives_during_cancellation_releases_its_slot() -> None:
    kit = Kit()
    call, number = await kit.ask()
    assert kit.requests.take(done(number))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert kit.released == [3]


async def test_a_lost_worker_fails_all_calls() -> None:
    kit = Kit()
    call, _ = await kit.ask()
    kit.requests.lose("decode-0 was lost")
    with pytest.raises(WorkerLost, match="decode-0 was lost"):
        await call
