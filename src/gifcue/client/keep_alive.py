"""Says something on a stream where nobody else does, so that its server does not take it for abandoned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# Parts of the server's idle timeout. After one of them in which nothing was written, something is said: at the latest
# when two are over.
_PARTS = 3


class KeepAlive:
    """Calls `say` after each third of `timeout_s` in which `wrote` was not called."""

    def __init__(
        self,
        timeout_s: float,
        say: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._timeout_s = timeout_s
        self._say = say
        self._sleep = sleep
        self._has_written = False

    def wrote(self) -> None:
        """A message was written."""
        self._has_written = True

    async def follow(self) -> None:
        """Keeps the stream alive until it is cancelled."""
        while True:
            self._has_written = False
            await self._sleep(self._timeout_s / _PARTS)
            if not self._has_written:
                self._say()
