"""Messages that wait to be written to a client.

STARTED and ENDED are never dropped. HOLDING only shows progress: where the client reads slowly, a newer one replaces
the unread one of the same hold, and over a bound the oldest are dropped. Both are counted. The details of a decision,
which can be large, are dropped over a bound as well, oldest first, and counted; the decision itself is sent.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from gifcue.protocol.events import FrameDecided, Heartbeat, Reaction, ServerEvent
from gifcue.protocol.phases import Phase
from gifcue.protocol.statistics import Statistics

# Statistics are queued among the events, so that they count what was sent before them and nothing else.
Outgoing = ServerEvent | Heartbeat | Statistics

# Unread HOLDING events that wait for a slow client. Further ones are dropped and counted: the progress of a hold is of
# no use once it is old.
MAX_UNREAD_HOLDING = 64
# Unread events of other kinds that wait. They are never dropped, so a stream whose client reads slower than this ends.
MAX_UNREAD_EVENTS = 10_000
# Unread decisions that keep their regions and unmet conditions: those of 16 faces and hands take 100 kB with landmarks.
MAX_UNREAD_DETAILS = 128
# Unread answers to requests for statistics. Each holds the figures of hundreds of participants.
MAX_UNREAD_STATISTICS = 4


class Outbox:
    """One stream's unread messages. One reader; `put` and `close` never block."""

    def __init__(
        self,
        max_holding: int = MAX_UNREAD_HOLDING,
        max_events: int = MAX_UNREAD_EVENTS,
        max_details: int = MAX_UNREAD_DETAILS,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_close` is called by `close`, and where the outbox closes because it is overrun."""
        self._on_close = on_close
        self._max_holding = max_holding
        self._max_events = max_events
        self._max_details = max_details
        # Kept in the order of arrival; the key finds the unread HOLDING of a hold.
        self._items: OrderedDict[object, Outgoing] = OrderedDict()
        self._holding: OrderedDict[object, None] = OrderedDict()
        # The keys of unread decisions with details, in the order of arrival.
        self._detailed: OrderedDict[object, None] = OrderedDict()
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._statistics = 0
        self._room = asyncio.Event()
        self._is_closed = False
        self.dropped_holding = 0
        self.dropped_details = 0
        self.is_overrun = False

    def put(self, item: Outgoing) -> None:
        """Queues a message. After `close`, or once more wait than the bound allows, it is not sent."""
        if self._is_closed:
            return
        if isinstance(item, Reaction) and item.phase is Phase.HOLDING:
            key: object = ("holding", item.reaction_id)
            if key in self._items:
                del self._items[key]
                del self._holding[key]
                self.dropped_holding += 1
            elif len(self._holding) >= self._max_holding:
                oldest, _ = self._holding.popitem(last=False)
                del self._items[oldest]
                self.dropped_holding += 1
            self._holding[key] = None
        else:
            key = next(self._numbers)
            self._statistics += isinstance(item, Statistics)
            if len(self._items) - len(self._holding) >= self._max_events:
                self.is_overrun = True
                self.close()
                return
        self._items[key] = item
        if isinstance(item, FrameDecided) and (item.regions or item.unmet):
            self._detailed[key] = None
            if len(self._detailed) > self._max_details:
                self._drop_details()
        self._wake.set()

    @property
    def is_empty(self) -> bool:
        """True while nothing waits."""
        return not self._items

    def close(self) -> None:
        """Takes no more messages; the reader gets those that wait, then None."""
        self._is_closed = True
        self._wake.set()
        self._room.set()
        self._on_close()

    def _drop_details(self) -> None:
        """Leaves the oldest unread decision that has details without them."""
        key, _ = self._detailed.popitem(last=False)
        item = self._items[key]
        assert isinstance(item, FrameDecided), "expected a decision among those with details"
        self._items[key] = replace(item, regions=(), unmet=())
        self.dropped_details += 1

    async def room_for_statistics(self) -> None:
        """Returns once few enough answers are unread for another one, or the outbox is closed."""
        while self._statistics >= MAX_UNREAD_STATISTICS and not self._is_closed:
            # Nothing is awaited between the check and `clear`, so no `get` or `close` is missed.
            self._room.clear()
            await self._room.wait()

    async def get(self) -> Outgoing | None:
        """The oldest message, or None once the outbox is closed and empty."""
        while not self._items:
            if self._is_closed:
                return None
            # Nothing is awaited between the checks above and `clear`, so no `put` or `close` is missed.
            self._wake.clear()
            await self._wake.wait()
        key, item = self._items.popitem(last=False)
        self._holding.pop(key, None)
        self._detailed.pop(key, None)
        if isinstance(item, Statistics):
            self._statistics -= 1
            self._room.set()
        return item
