"""Reactions of a room's WHIP senders, for whoever listens over HTTP: server-sent events.

A sender such as OBS has no use for events; a page that shows GIFs beside the video has. Each listener has a queue with
a bound. One that does not read is cut off, and comes again by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gifcue.protocol.events import Draining, Fault, Reaction

# Listeners of the whole server.
MAX_LISTENERS = 256
# Listeners of one caller: a subject of tokens, a token without one, or an address where there are no tokens.
MAX_LISTENERS_PER_CALLER = 64
# Events that wait for one listener.
MAX_EVENTS_WAITING = 128


class Listener:
    """What waits for one listener of `room`. `is_cut`: it read too slowly, and gets nothing more."""

    def __init__(self, room: str, caller: str) -> None:
        self.room = room
        self.caller = caller
        self.is_cut = False
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_EVENTS_WAITING)

    def put(self, event: bytes) -> None:
        """Adds an event, or cuts the listener off."""
        if self._waiting.full():
            self.is_cut = True
        if not self.is_cut:
            self._waiting.put_nowait(event)

    async def take(self) -> bytes:
        """The next event; waits for one."""
        return await self._waiting.get()


class RoomEvents:
    """The listeners of all rooms. `gif_base_url` goes before addresses of GIFs that are only a path."""

    def __init__(self, gif_base_url: str) -> None:
        self._gif_base_url = gif_base_url
        self._listeners: set[Listener] = set()
        self._dropped: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Listeners at the moment."""
        return len(self._listeners)

    @property
    def cut(self) -> int:
        """Listeners that were cut off since the start, because they did not read."""
        return self._dropped["slow_listener"]

    def count_of(self, caller: str) -> int:
        """Listeners of the caller at the moment."""
        return sum(each.caller == caller for each in self._listeners)

    def open(self, room: str, caller: str) -> Listener | None:
        """A new listener; None where there are too many."""
        if len(self._listeners) >= MAX_LISTENERS:
            return None
        listener = Listener(room, caller)
        self._listeners.add(listener)
        return listener

    def close(self, listener: Listener) -> None:
        """The listener has gone."""
        self._listeners.discard(listener)
        self._dropped["slow_listener"] += listener.is_cut

    def publish(self, room: str, participant_id: str, event: Reaction | Fault | Draining) -> None:
        """Hands an event of a sender to everybody who listens to its room."""
        listening = [each for each in self._listeners if each.room == room]
        if listening:
            line = self._line(participant_id, event)
            for each in listening:
                each.put(line)

    def _line(self, participant_id: str, event: Reaction | Fault | Draining) -> bytes:
        fields: dict[str, Any] = {"participant_id": participant_id, **asdict(event)}
        if isinstance(event, Reaction):
            fields["phase"] = event.phase.name
            gif = fields["gif"]
            if gif is not None and gif["url"].startswith("/"):
                gif["url"] = self._gif_base_url + gif["url"]
        if isinstance(event, Fault):
            fields["code"] = event.code.name
        return server_sent(type(event).__name__.lower(), fields)


def server_sent(name: str, fields: Mapping[str, Any]) -> bytes:
    """One server-sent event. JSON has no line breaks, which would end it."""
    return f"event: {name}\ndata: {json.dumps(fields)}\n\n".encode()
