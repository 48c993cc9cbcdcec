"""Bytes that WebSockets have sent and that are no whole message yet, or one that nobody has read.

aiohttp bounds them for each connection, by the size of a message and of its queue. Hundreds of connections that each
send half a message would still take all memory, so they have a bound together.
"""

from __future__ import annotations

from collections.abc import Callable

# Bytes of all WebSockets of a port. Beyond it, the connection that holds most of them is cut off.
MAX_UNREAD_BYTES = 64 * 1024 * 1024


class UnreadBytes:
    """The bytes of all connections of a port. `on_cut` is called for each connection that is cut off."""

    def __init__(self, most: int = MAX_UNREAD_BYTES, on_cut: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._on_cut = on_cut
        self._meters: set[Meter] = set()
        self.total = 0

    def meter(self, cut: Callable[[], None]) -> Meter:
        """The meter of a new connection. `cut` ends the connection at once, and must not raise."""
        meter = Meter(self, cut)
        self._meters.add(meter)
        return meter

    # Called by the meters.

    def change(self, by: int) -> None:
        """A connection has so many bytes more, or fewer."""
        self.total += by
        while self.total > self._most and self._meters:
            fullest = max(self._meters, key=lambda each: each.held)
            self.remove(fullest)
            self._on_cut()
            fullest.cut()

    def remove(self, meter: Meter) -> None:
        """A connection counts no longer."""
        if meter in self._meters:
            self._meters.discard(meter)
            self.total -= meter.held
            meter.held = 0
            meter.is_closed = True


class Meter:
    """The bytes of one connection: `held` at the moment, `received` since its beginning.

    Headers of frames cannot be told from payload, so `held` may be too high by what came since the connection was last
    waited for.
    """

    __slots__ = ("_all", "cut", "held", "is_closed", "received")

    def __init__(self, every: UnreadBytes, cut: Callable[[], None]) -> None:
        self._all = every
        self.cut = cut
        self.held = 0
        self.received = 0
        self.is_closed = False

    def add(self, size: int) -> None:
        """So many bytes came."""
        self.received += size
        if not self.is_closed:
            self.held += size
            self._all.change(size)

    def take(self, size: int, waited_bytes: int) -> None:
        """A message of `size` bytes was read. `waited_bytes` came while it was waited for; 0: nobody had to wait.

        Nothing but a part of a message was there before a wait, so what is left came during it.
        """
        if not self.is_closed:
            left = max(0, self.held - size)
            if waited_bytes:
                left = min(left, waited_bytes)
            by, self.held = left - self.held, left
            self._all.change(by)

    def close(self) -> None:
        """The connection has ended."""
        self._all.remove(self)
