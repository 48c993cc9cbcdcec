"""What waits to be written to a client.

STARTED and ENDED are never dropped. HOLDING is a picture of progress: when the client reads slowly, an unread one of
the same hold gives way to the newer, and over a bound the oldest are dropped; both are counted.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from dataclasses import dataclass

from gifcue.engine.notices import Notice, ReactionNotice
from gifcue.engine.participant import ParticipantStatistics
from gifcue.protocol.phases import Phase
from gifcue.v1 import reaction_service_pb2


@dataclass(frozen=True, slots=True)
class StatisticsAnswer:
    """The answer to a request for statistics, queued among the notices so that it keeps its place."""

    participants: list[ParticipantStatistics]


# A response of the wire may be queued as it is: `StreamReady` says what only the edge knows.
Outgoing = Notice | StatisticsAnswer | reaction_service_pb2.StreamReactionsResponse


# Unread HOLDING events that wait for a slow client. Further ones are dropped and counted: the progress of a hold is of
# no use once it is old.
MAX_UNREAD_HOLDING = 64
# Unread events of other kinds that wait. They are never dropped, so a stream whose client reads slower than this ends.
MAX_UNREAD_EVENTS = 10_000


class Outbox:
    """One stream's unread messages. One reader; `put` and `close` never block."""

    def __init__(self, max_holding: int = MAX_UNREAD_HOLDING, max_notices: int = MAX_UNREAD_EVENTS) -> None:
        self._max_holding = max_holding
        self._max_notices = max_notices
        # Kept in the order of arrival; the key finds the unread HOLDING of a hold.
        self._items: OrderedDict[object, Outgoing] = OrderedDict()
        self._holding: OrderedDict[object, None] = OrderedDict()
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._is_closed = False
        self.dropped_holding = 0
        self.is_overrun = False

    def put(self, item: Outgoing) -> None:
        """Queues a message. After `close`, or once the stream is overrun, it is not sent."""
        if self._is_closed:
            return
        if isinstance(item, ReactionNotice) and item.event.phase is Phase.HOLDING:
            key: object = ("holding", item.event.reaction_id)
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
            if len(self._items) - len(self._holding) >= self._max_notices:
                self.is_overrun = True
                self.close()
                return
        self._items[key] = item
        self._wake.set()

    def close(self) -> None:
        """Nothing more comes; the reader gets what waits, then None."""
        self._is_closed = True
        self._wake.set()

    async def get(self) -> Outgoing | None:
        """The oldest message, or None once the outbox is closed and empty."""
        while not self._items:
            if self._is_closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        key, item = self._items.popitem(last=False)
        self._holding.pop(key, None)
        return item
