"""Notices a server that says nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# Intervals of the server's heartbeat in a row without a message, after which it is taken for lost.
SILENT_INTERVALS = 3
# Parts into which an interval is divided. The silence is noticed so much more exactly.
_PARTS = 4


class SilenceWatch:
    """Calls `on_silent` once, after three intervals in a row in which `heard` was not called.

    It counts quarters of intervals and does not compare times: an event loop that is held up counts as one of them, and
    what has arrived meanwhile is read before the next one ends.
    """

    def __init__(
        self,
        interval_s: float,
        on_silent: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval_s = interval_s
        self._on_silent = on_silent
        self._sleep = sleep
        self._was_heard = True

    def heard(self) -> None:
        """A message came."""
        self._was_heard = True

    async def follow(self) -> None:
        """Watches until the server is silent, or it is cancelled."""
        silent = 0
        while silent < SILENT_INTERVALS * _PARTS:
            self._was_heard = False
            await self._sleep(self._interval_s / _PARTS)
            silent = 0 if self._was_heard else silent + 1
        self._on_silent()
