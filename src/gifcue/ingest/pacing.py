"""When to send the next packet.

`RealTime` sends as recorded, as a media server does, whether or not the server keeps up.

`ClosedLoop` sends as fast as the server analyses. Sending as fast as the network takes would lose reactions: a waiting
picture is replaced by a newer one of the same participant, so a server flooded with a file drops most of it. Instead,
`ClosedLoop` sends a short window of the recording and waits until the server has none of its frames in flight. The
window is shorter than the time between two frames that the server analyses, so that no frame supersedes another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from gifcue.ingest.source import EncodedPacket

# Seconds of the recording. By default a server analyses a participant's frames 0.1 s apart, and accepts one that comes
# a little early. Half of that never holds two of them.
WINDOW_S = 0.05

# Seconds between two requests for the frames in flight: less than the analysis of a frame takes.
POLL_S = 0.004


class Pacer(Protocol):
    """Decides when each packet of one source is sent."""

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns when it is time to send `packet`."""


class Unpaced:
    """Sends at once, for live sources: their packets come when they are due."""

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns at once."""


class RealTime:
    """Sends as recorded. A late packet is sent at once, and does not delay those after it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._origin_s: float | None = None

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns when `packet` is due, counted from the first packet."""
        now_s = self._clock()
        if self._origin_s is None:
            self._origin_s = now_s - packet.due_s
        delay_s = self._origin_s + packet.due_s - now_s
        if delay_s > 0:
            await self._sleep(delay_s)


class ClosedLoop:
    """Sends as fast as the server analyses. `in_flight` returns how many of this source's frames are in flight."""

    def __init__(
        self,
        in_flight: Callable[[], Awaitable[int]],
        window_s: float = WINDOW_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        poll_s: float = POLL_S,
    ) -> None:
        self._in_flight = in_flight
        self._window_s = window_s
        self._sleep = sleep
        self._poll_s = poll_s
        self._window_began_s: float | None = None

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns at once inside a window; otherwise once no frame is in flight, which opens the next window."""
        if self._window_began_s is None:
            self._window_began_s = packet.due_s
        elif packet.due_s - self._window_began_s >= self._window_s:
            while await self._in_flight() > 0:
                await self._sleep(self._poll_s)
            self._window_began_s = packet.due_s
