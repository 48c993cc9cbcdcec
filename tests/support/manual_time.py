"""Time that a test advances."""

from __future__ import annotations

import asyncio


class ManualTime:
    """A `clock` and a `sleep` for the code under test. `advance` moves the time."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._sleepers: set[tuple[float, asyncio.Future[None]]] = set()

    def clock(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0.0:
            return
        sleeper = (self._now_s + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.add(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.discard(sleeper)

    @property
    def waits_s(self) -> list[float]:
        """The remaining seconds of each sleeper, the shortest first."""
        return sorted(at_s - self._now_s for at_s, future in self._sleepers if not future.done())

    def advance(self, seconds: float) -> None:
        """Moves the time. The sleepers whose time has passed continue in the next turn of the event loop."""
        self._now_s += seconds
        for at_s, future in self._sleepers:
            if at_s <= self._now_s and not future.done():
                future.set_result(None)
