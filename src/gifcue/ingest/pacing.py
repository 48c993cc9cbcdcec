"""When to send the next packet.

`RealTime` sends as recorded, as a media server would, whatever the server makes of it: an open loop.

`ClosedLoop` sends as fast as the server judges. It cannot simply send as fast as the network takes: of a
participant's frames the newest wins, so a server flooded with a file would rightly drop most of it and miss
reactions. So it sends a short window of the recording and then waits until the server's books show none of
its frames in flight. The window is shorter than the time between two frames that the server wants to analyse,
so that no frame supersedes another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from gifcue.ingest.source import EncodedPacket

# Of the recording, in seconds. A server analyses a participant's frames 0.1 s apart unless told otherwise, and takes
# one that comes a little early; half of that never holds two.
WINDOW_S = 0.05

# Between two looks at the books, in seconds: shorter than the judging of a frame takes.
POLL_S = 0.004


class Pacer(Protocol):
    """Decides when a packet of one source goes out."""

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns when it is time to send `packet`."""


class Unpaced:
    """Sends at once: for sources that run in their own time."""

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns at once."""


class RealTime:
    """As recorded. A packet that is late goes at once, and those after it keep to the first one's time."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._origin_s: float | None = None

    async def wait(self, packet: EncodedPacket) -> None:
        """Returns when the recording has come as far as `packet`."""
        now_s = self._clock()
        if self._origin_s is None:
            self._origin_s = now_s - packet.due_s
        delay_s = self._origin_s + packet.due_s - now_s
        if delay_s > 0:
            await self._sleep(delay_s)


class ClosedLoop:
    """As fast as the server judges. `in_flight` asks it how many of this source's frames are under way."""

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
        """Returns once the window that `packet` opens or belongs to may be sent."""
        if self._window_began_s is None:
            self._window_began_s = packet.due_s
        elif packet.due_s - self._window_began_s >= self._window_s:
            while await self._in_flight() > 0:
                await self._sleep(self._poll_s)
            self._window_began_s = packet.due_s
