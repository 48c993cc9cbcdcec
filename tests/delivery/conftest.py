from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gifcue.delivery import DeliverySettings, Dispatcher
from tests.support.deliveries import delivery_table
from tests.support.fake_meeting_api import FakeMeetingApi
from tests.support.manual_time import ManualTime


@pytest.fixture
async def api() -> AsyncIterator[FakeMeetingApi]:
    async with FakeMeetingApi() as running:
        yield running


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
async def make(api: FakeMeetingApi, time: ManualTime) -> AsyncIterator[Callable[..., Dispatcher]]:
    """Builds dispatchers with one sink that sends to the fake API. Arguments are as for `delivery_table`.

    Attempts time out after 9 s, longer than any backoff, so the length of a wait tells its purpose.
    """
    made: list[Dispatcher] = []

    def build(sink: str, **arguments: Any) -> Dispatcher:
        table = delivery_table(sink, api.url, **{"jitter": 0.0, "timeout_s": 9.0, **arguments})
        dispatcher = Dispatcher(
            DeliverySettings(**table),
            clock=time.clock,
            wall_clock=lambda: 1_700_000_000.0 + time.clock(),
            sleep=time.sleep,
            uniform=lambda: 0.5,
        )
        made.append(dispatcher)
        return dispatcher

    yield build
    for each in made:
        await each.stop(0.0)
