"""What a client knows of its servers, and the choice of one for a room.

A room belongs to the first server of its order (`gifcue.client.rendezvous`). While that one cannot be used, the room
goes to the next. A stream that runs stays where it is: only a new stream, or one that must connect again, is placed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from dataclasses import dataclass

from gifcue.client.exceptions import ServerBusy, ServerError, ServerUnavailable
from gifcue.client.rendezvous import ranked
from gifcue.client.servers import Server

# Seconds for which a server that failed counts as unusable, where no answer of its health says more.
SUSPECT_S = 10.0
# Seconds for which a server that has no capacity is left alone, where it names no time.
BUSY_S = 1.0


def says_it_is_lost(problem: ServerError, was_ready: bool) -> bool:
    """Whether the end of a stream says that its server is lost, and not only the stream."""
    if isinstance(problem, ServerBusy) or problem.retry_after_s is not None:
        return False
    return isinstance(problem, ServerUnavailable) or (problem.retryable and not was_ready)


@dataclass(slots=True)
class _Knowledge:
    is_serving: bool = True  # as its health said last
    suspect_until_s: float = 0.0  # it failed, and its health has not answered since
    busy_until_s: float = 0.0  # it asked to be left alone


class Placement:
    """The state of every server that the resolver has named last. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Server, _Knowledge] = {}

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers at the moment."""
        return tuple(self._known)

    def update(self, servers: tuple[Server, ...]) -> None:
        """These are the servers from now on. What is known of those that stay is kept."""
        self._known = {server: self._known.get(server) or _Knowledge() for server in servers}

    def health(self, server: Server, is_serving: bool) -> None:
        """The server's health has answered."""
        if (known := self._known.get(server)) is not None:
            known.is_serving = is_serving
            known.suspect_until_s = 0.0

    def suspect(self, server: Server) -> None:
        """The server was lost, was not reached, or is silent."""
        if (known := self._known.get(server)) is not None:
            known.suspect_until_s = self._clock() + SUSPECT_S

    def ended(self, server: Server, problem: ServerError, was_ready: bool) -> bool:
        """A stream on this server ended with an error; `was_ready` where it had begun. Returns whether it is a suspect.

        An error that concerns this one stream alone, such as one in its requests, says nothing about the server.
        """
        if isinstance(problem, ServerBusy) or problem.retry_after_s is not None:
            # A stream that had begun was ended for what it did itself.
            if not was_ready and (known := self._known.get(server)) is not None:
                pause_s = BUSY_S if problem.retry_after_s is None else problem.retry_after_s
                known.busy_until_s = self._clock() + pause_s
            return False
        if says_it_is_lost(problem, was_ready):
            self.suspect(server)
            return True
        return False

    def is_usable(self, server: Server) -> bool:
        """Whether nothing speaks against the server."""
        known, now_s = self._known.get(server), self._clock()
        return (
            known is not None
            and known.is_serving
            and known.suspect_until_s <= now_s
            and known.busy_until_s <= now_s
        )

    def busy_s(self) -> float:
        """Seconds until the first server may be asked again; 0 where one of them may be asked at once."""
        now_s = self._clock()
        return max(0.0, min((known.busy_until_s - now_s for known in self._known.values()), default=0.0))

    def has_other(self, tried: Set[Server]) -> bool:
        """Whether a usable server is left that was not tried."""
        return any(self.is_usable(server) for server in self._known if server not in tried)

    def order(self, key: str) -> list[Server]:
        """The servers as the room with this key prefers them."""
        return ranked(key, self._known)

    def choose(self, key: str, tried: Set[Server] = frozenset()) -> Server:
        """The server for the room with this key: the first usable one of its order that was not tried.

        Where none is left, it is the first of its order that may be asked soonest. `servers` must not be empty.
        """
        order = self.order(key)
        for server in order:
            if server not in tried and self.is_usable(server):
                return server
        now_s = self._clock()

        def reluctance(server: Server) -> tuple[float, bool, bool]:
            known = self._known[server]
            return max(0.0, known.busy_until_s - now_s), not self.is_usable(server), server in tried

        return min(order, key=reluctance)  # the first of those with the least
