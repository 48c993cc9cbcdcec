"""What waits to be written to a stream.

Senders append, one writer task takes. The writer alone touches the call, since grpc.aio cancels the whole
call when a task that is in `write` is cancelled: a sender that gives up must not take everybody's stream with
it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue bounded in bytes, of one event loop. One taker, any number of senders."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._buffered_bytes = 0
        self._closed = False
        self._changed: deque[asyncio.Future[None]] = deque()

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait to be written: grows where the network or the server is slow."""
        return self._buffered_bytes

    @property
    def closed(self) -> bool:
        """True once nothing more may be appended."""
        return self._closed

    async def room(self, size_bytes: int) -> None:
        """Returns once `size_bytes` fit, or the outbox is empty (anything passes then), or it is closed."""
        while not self._closed and self._items and self._buffered_bytes + size_bytes > self._max_bytes:
            await self._change()

    def append(self, item: T, size_bytes: int) -> None:
        """Never waits; call `room` first. The caller checks `closed`."""
        self._items.append((item, size_bytes))
        self._buffered_bytes += size_bytes
        self._wake()

    async def take(self) -> T | None:
        """The oldest item; None once closed and empty."""
        while not self._items:
            if self._closed:
                return None
            await self._change()
        item, size_bytes = self._items.popleft()
        self._buffered_bytes -= size_bytes
        self._wake()
        return item

    def close(self) -> None:
        """No more appending; what waits is still taken."""
        self._closed = True
        self._wake()

    def abort(self) -> None:
        """No more appending, and what waits is thrown away: the call is over."""
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
