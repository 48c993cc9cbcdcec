"""The attempts of one reconnecting stream to connect, and when failures before them are forgotten."""

from __future__ import annotations

from collections.abc import Callable

from gifcue.client.exceptions import ServerError
from gifcue.client.route import Route

# Seconds for which a connection is open before earlier failures are forgotten. Where a server accepts streams and ends
# them at once, the pauses between attempts grow.
HELD_S = 5.0


class Attempts:
    """Of one stream, along its route. `clock` gives seconds."""

    def __init__(self, route: Route, clock: Callable[[], float]) -> None:
        self._route = route
        self._clock = clock
        self._opened_at_s: float | None = None  # None once the connection has held, and without one
        self._count = 0

    def opened(self) -> None:
        """The connection of the last attempt is open."""
        self._route.opened()
        self._opened_at_s = self._clock()

    def draining(self) -> None:
        """Its server drains, which is no failure."""
        self._note_held()
        self._count = 0
        self._route.draining()

    def failed(self, problem: ServerError) -> None:
        """The attempt failed, or its connection was lost."""
        self._note_held()
        self._route.failed(problem)

    def next(self) -> int:
        """The number of the next attempt, counted from 1 since a connection held or drained."""
        self._count += 1
        return self._count

    def _note_held(self) -> None:
        """Forgets earlier failures once the connection has held; what it says of its server afterwards counts."""
        if self._opened_at_s is not None and self._clock() - self._opened_at_s >= HELD_S:
            self._count = 0
            self._route.held()
        self._opened_at_s = None
