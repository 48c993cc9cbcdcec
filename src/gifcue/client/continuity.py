"""Tells the caller of a reconnecting stream what becomes of reactions while servers come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from gifcue.client.carried import Carried
from gifcue.client.queues import Inbox
from gifcue.protocol.events import Reaction
from gifcue.protocol.resume import ParticipantState, RoomState

# Seconds after a lost connection in which a server must go on with the reactions under way. Beyond that they end: a GIF
# must not stay on the screen for as long as no server can be reached.
MAX_CARRIED_S = 10.0


class Continuity:
    """Of one stream. `clock` gives seconds. Events for the caller go into `inbox`."""

    def __init__(self, inbox: Inbox, clock: Callable[[], float]) -> None:
        self._inbox = inbox
        self._carried = Carried(clock)
        self._giving_up: asyncio.TimerHandle | None = None

    def room(self) -> RoomState:
        """What the room keeps on the next server."""
        return self._carried.room()

    def participant(self, participant_id: str) -> ParticipantState:
        """What the participant keeps on the next server."""
        return self._carried.participant(participant_id)

    def heard(self, event: Reaction) -> None:
        """A server sent an event."""
        self._tell(self._carried.heard(event))

    def joined(self, participant_id: str) -> None:
        """The caller has a participant of this name join, for the first time or again."""
        self._carried.joined(participant_id)

    def left(self, participant_id: str, *, is_known: bool) -> None:
        """The caller has it leave. `is_known`: a server knows of it, and ends its reactions."""
        self._tell(self._carried.left(participant_id, is_known=is_known))

    def refused(self, participant_id: str) -> None:
        """A server refused its join: what the join carried ends."""
        self._tell(self._carried.refused(participant_id))

    def dismissed(self, participant_id: str, reaction_id: str) -> None:
        """The server was told that a reaction was not meant."""
        self._carried.dismissed(participant_id, reaction_id)

    def withdrawn(self, participant_id: str, allowed: Collection[str]) -> None:
        """Only these labels are allowed from now on, and no server is there to end the reactions of others."""
        self._tell(self._carried.withdrawn(participant_id, allowed))

    def lost(self) -> None:
        """The connection is gone."""
        self._tell(self._carried.connection_lost())
        if self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().call_later(MAX_CARRIED_S, self.give_up)

    def goes_on(self) -> None:
        """A server has everything that was carried to it."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def give_up(self) -> None:
        """No server goes on with what is under way: it ends."""
        self.goes_on()
        self._tell(self._carried.give_up())

    def _tell(self, events: Iterable[Reaction]) -> None:
        for event in events:
            self._inbox.put(event)
