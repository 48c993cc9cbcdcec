"""One video source over RTP: its access units as they become complete, and what waits for the server."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.receiver import VideoReceiver

# What may wait for a slow server. It is two seconds of video at 30 frames a second.
MAX_WAITING_UNITS = 60
MAX_WAITING_BYTES = 8 * 1024 * 1024


class RtpSource:
    """A receiver with its timer and its queue. Iterate over `units` once.

    What a slow consumer does not take is dropped after `MAX_WAITING_UNITS` or `MAX_WAITING_BYTES`, and the unit that
    follows says that frames were lost.
    """

    def __init__(self, receiver: VideoReceiver) -> None:
        self.receiver = receiver
        self.dropped_before: Counter[str] = Counter()  # by whoever hands datagrams in
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[AccessUnit] = deque()
        self._waiting_bytes = 0
        self._lost_in_queue = False
        self._slow = 0
        self._arrived = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets and access units that were of no use, by reason."""
        dropped = self.dropped_before + Counter(self.receiver.dropped)
        dropped["slow_server"] += self._slow
        return +dropped

    def receive(self, datagram: bytes, now_s: float) -> None:
        """Takes a datagram. `now_s` is the event loop's time."""
        self._put(self.receiver.receive(datagram, now_s))
        self._set_timer()

    async def units(self) -> AsyncIterator[AccessUnit]:
        """The access units, as they become complete, until `close`."""
        while (unit := await self.next_unit()) is not None:
            yield unit

    async def next_unit(self) -> AccessUnit | None:
        """The next access unit; None after `close`, once what waited is taken. Can be cancelled and called again."""
        while not self._waiting:
            if self._is_closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        unit = self._waiting.popleft()
        self._waiting_bytes -= len(unit.payload)
        return unit

    def close(self) -> None:
        """Ends `units` once what waits is taken."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_closed = True
        self._arrived.set()

    def _put(self, units: list[AccessUnit]) -> None:
        for unit in units:
            size = len(unit.payload)
            if len(self._waiting) >= MAX_WAITING_UNITS or self._waiting_bytes + size > MAX_WAITING_BYTES:
                self._slow += 1
                self._lost_in_queue = True
                continue
            if self._lost_in_queue:
                unit = replace(unit, follows_loss=True)
                self._lost_in_queue = False
            self._waiting.append(unit)
            self._waiting_bytes += size
            self._arrived.set()

    def _set_timer(self) -> None:
        deadline_s = self.receiver.deadline_s
        if deadline_s is None or self._timer is not None or self._is_closed:
            return
        self._timer = self._loop.call_at(deadline_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._put(self.receiver.poll(self._loop.time()))
        self._set_timer()
