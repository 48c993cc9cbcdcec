"""Time that passes when a test says so."""

from __future__ import annotations

import asyncio


class ManualTime:
    """`clock` and `sleep` as the code under test wants them handed in; `advance` lets seconds pass."""

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
        """How long each sleeper still sleeps, the first to wake first."""
        return sorted(at_s - self._now_s for at_s, future in self._sleepers if not future.done())

    def advance(self, seconds: float) -> None:
        """Wakes everybody whose time has come, on the loop's next turn."""
        self._now_s += seconds
        for at_s, future in self._sleepers:
            if at_s <= self._now_s and not future.done():
                future.set_result(None)
