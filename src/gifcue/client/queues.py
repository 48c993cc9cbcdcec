"""The two queues of a stream: requests that wait to be written, and events that wait to be read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from gifcue.client.exceptions import StreamClosed
from gifcue.protocol.events import Event, FrameDecided, Reaction
from gifcue.protocol.phases import Phase

# Events that may wait for a caller who reads slowly or not at all, before HOLDING and FrameDecided are dropped. Only
# these two are dropped: they are worthless once they are old, whereas a STARTED without its ENDED would leave a GIF on
# the screen for ever.
TRANSIENT_BACKLOG = 4096

T = TypeVar("T")


class Outbox(Generic[T]):
    """Requests that wait to be written: bounded in bytes, one event loop, one reader, any number of senders.

    Senders append and one writer task takes, so that only the writer touches the call. grpc.aio cancels the whole call
    when a task is cancelled inside `write`: if senders wrote themselves, one that gave up would end the stream for all
    participants.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._buffered_bytes = 0
        self._is_closed = False
        self._error: BaseException | None = None
        self._changed: deque[asyncio.Future[None]] = deque()

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait to be written. Grows where the network or the server is slow."""
        return self._buffered_bytes

    async def room(self, size_bytes: int) -> None:
        """Returns once `size_bytes` fit, the outbox is empty (it then takes any size), or it is closed."""
        while not self._is_closed and self._items and self._buffered_bytes + size_bytes > self._max_bytes:
            await self._change()

    def append(self, item: T, size_bytes: int) -> None:
        """Appends without waiting; call `room` first.

        Nothing is awaited between `room` and `append`, so a sender cancelled in `room` has appended nothing and used no
        sequence number.

        Raises:
            StreamClosed: the outbox is closed; or the error that it was aborted with.
        """
        if self._is_closed:
            raise self._error or StreamClosed(
                "expected an open stream, got one that this side or the server has closed"
            )
        self._items.append((item, size_bytes))
        self._buffered_bytes += size_bytes
        self._wake()

    async def take(self) -> T | None:
        """The oldest item; None once the outbox is closed and empty."""
        while not self._items:
            if self._is_closed:
                return None
            await self._change()
        return self.take_first()

    @property
    def is_closed(self) -> bool:
        """True once no further items are accepted."""
        return self._is_closed

    @property
    def first(self) -> T | None:
        """The oldest item, which stays; None while nothing waits."""
        return self._items[0][0] if self._items else None

    def take_first(self) -> T:
        """The oldest item, without waiting.

        Raises:
            IndexError: nothing waits.
        """
        item, size_bytes = self._items.popleft()
        self._buffered_bytes -= size_bytes
        self._wake()
        return item

    def close(self) -> None:
        """Refuses further items; those that wait are still taken."""
        self._is_closed = True
        self._wake()

    def abort(self, error: BaseException | None = None) -> None:
        """Refuses further items with `error` and discards those that wait: the call is over."""
        self._error = self._error or error
        self._items.clear()
        self._buffered_bytes = 0
        self.close()

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._changed.append(waiter)
        await waiter

    def _wake(self) -> None:
        while self._changed:
            waiter = self._changed.popleft()
            if not waiter.done():
                waiter.set_result(None)


class Inbox:
    """Events that wait for the caller to iterate over them, and how they end. One event loop, one reader at a time."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._has_ended = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        """True once no more events come."""
        return self._has_ended

    def put(self, event: Event) -> None:
        """Appends without waiting. Drops a transient event where `TRANSIENT_BACKLOG` events wait already."""
        if len(self._events) >= TRANSIENT_BACKLOG and _is_transient(event):
            return
        self._events.append(event)
        self._changed.set()

    def end(self, error: BaseException | None) -> None:
        """No more events come; iterating ends with `error` where there is one. Later calls change nothing."""
        if not self._has_ended:
            self._has_ended = True
            self._error = error
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """All events up to the end. Breaking out of the loop loses nothing: iterate again to continue."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._has_ended:
                if self._error is not None:
                    raise self._error
                return
            # Nothing is awaited between the checks above and `clear`, so no `put` or `end` is missed.
            self._changed.clear()
            await self._changed.wait()


def _is_transient(event: Event) -> bool:
    return isinstance(event, FrameDecided) or (isinstance(event, Reaction) and event.phase is Phase.HOLDING)
