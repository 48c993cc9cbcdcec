"""The frames that wait for one reader of a stream's hands."""

from __future__ import annotations

import asyncio

from gifcue.engine.teaching import SeenHands

# Frames that wait for a slow reader. Beyond it, the oldest is dropped.
MAX_WAITING = 32


class HandsFeed:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[SeenHands] = asyncio.Queue(MAX_WAITING)
        self.dropped = 0

    def add(self, seen: SeenHands) -> None:
        """Adds a frame, in place of the oldest where too many wait."""
        if self._frames.full():
            self._frames.get_nowait()
            self.dropped += 1
        self._frames.put_nowait(seen)

    async def take(self) -> SeenHands:
        """The oldest frame that waits; waits for one."""
        return await self._frames.get()
