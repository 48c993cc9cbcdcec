"""The event loop's lag."""

from __future__ import annotations

import asyncio

from gifcue.server.loop_lag import BUCKETS_S, LoopLag
from tests.support.manual_time import ManualTime

INTERVAL_S = 0.05


async def measured(time: ManualTime, lags_s: list[float]) -> LoopLag:
    lag = LoopLag(time.clock, time.sleep)
    task = asyncio.create_task(lag.follow())
    for lag_s in lags_s:
        await asyncio.sleep(0)
        time.advance(INTERVAL_S + lag_s)
        # The sleeper's task, then the next sleep.
        for _ in range(3):
            await asyncio.sleep(0)
    task.cancel()
    return lag


async def test_lags_are_counted_by_size() -> None:
    figures = (await measured(ManualTime(), [0.0005, 0.004, 0.3, 99.0])).statistics()
    counted = dict(zip((*BUCKETS_S, None), figures.counts, strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {
        0.001: 1,
        0.005: 1,
        0.5: 1,
        None: 1,
    }
    assert round(figures.sum_s, 6) == 99.3045


async def test_the_maximum_is_that_of_the_last_half_minute_or_more() -> None:
    time = ManualTime()
    assert round((await measured(time, [0.2, *[0.0] * 10])).statistics().max_s, 6) == 0.2
    # 600 intervals are 30 s.
    assert round((await measured(time, [0.2, *[0.0] * 700])).statistics().max_s, 6) == 0.2
    assert round((await measured(time, [0.2, *[0.0] * 1300])).statistics().max_s, 6) == 0.0
