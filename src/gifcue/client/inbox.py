"""Events that wait for the caller to iterate over them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gifcue.protocol.events import Event, FrameDecided, Phase, Reaction

# A caller that reads slowly or not at all loses HOLDING and decisions on frames beyond this backlog, and
# nothing else: they are only worth having while they are fresh, while a STARTED without its ENDED would leave
# a GIF on the screen for ever.
FLEETING_BACKLOG = 4096


class Inbox:
    """A queue of events with an end, of one event loop. One reader at a time."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """True once no more events come."""
        return self._ended

    def put(self, event: Event) -> None:
        """Appends; never waits."""
        if len(self._events) >= FLEETING_BACKLOG and _is_fleeting(event):
            return
        self._events.append(event)
        self._changed.set()

    def end(self, error: BaseException | None) -> None:
        """No more events come; iterating ends with `error` where there is one."""
        if not self._ended:
            self._ended = True
            self._error = error
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """All events up to the end. Breaking off loses nothing: iterate again to go on."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._ended:
                if self._error is not None:
                    raise self._error
                return
            self._changed.clear()
            await self._changed.wait()


def _is_fleeting(event: Event) -> bool:
    if isinstance(event, FrameDecided):
        return True
    return isinstance(event, Reaction) and event.phase is Phase.HOLDING
