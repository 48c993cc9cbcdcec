"""The books: what became of every frame.

received = analysed + sum(skipped) + sum(dropped) + in flight, at any moment and exactly. In flight is not computed from
the other figures: it is the number of tickets that are open, so that the equation can be checked rather than assumed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason, SkipReason


@dataclass(slots=True)
class Ticket:
    """One frame between its arrival and its end. Owned by the ledger that opened it.

    `arrived_s` is the engine's clock, `pts_s` the sender's; `slot` is set while the picture lies in shared memory.
    """

    token: int
    sequence: int
    pts: int
    clock_hz: int
    arrived_s: float
    slot: int | None = None

    @property
    def pts_s(self) -> float:
        return self.pts / self.clock_hz


class FrameAccounting:
    """Counts one participant's frames."""

    def __init__(self) -> None:
        self._received = 0
        self._analysed = 0
        self._skipped: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._open: dict[int, Ticket] = {}

    def refuse(self, reason: DropReason) -> None:
        """A frame arrived and goes no further."""
        self._received += 1
        self._dropped[reason.value] += 1

    def open(self, ticket: Ticket) -> None:
        """A frame arrived and is on its way."""
        if ticket.token in self._open:
            raise ValueError(f"expected a new token, got {ticket.token}, which is in flight")
        self._received += 1
        self._open[ticket.token] = ticket

    def in_flight(self, token: int) -> Ticket:
        """The ticket of a frame on its way.

        Raises:
            KeyError: the frame's way has ended, or never began.
        """
        return self._open[token]

    def analysed(self, token: int) -> Ticket:
        """A detector judged the frame. Raises KeyError as `in_flight` does."""
        ticket = self._open.pop(token)
        self._analysed += 1
        return ticket

    def skip(self, token: int, reason: SkipReason) -> Ticket:
        """The frame needed no judgement. Raises KeyError as `in_flight` does."""
        ticket = self._open.pop(token)
        self._skipped[reason.value] += 1
        return ticket

    def drop(self, token: int, reason: DropReason) -> Ticket:
        """The frame is lost to analysis. Raises KeyError as `in_flight` does."""
        ticket = self._open.pop(token)
        self._dropped[reason.value] += 1
        return ticket

    @property
    def is_idle(self) -> bool:
        """True when no frame is on its way."""
        return not self._open

    def statistics(self) -> FrameCounts:
        """The books as they stand."""
        return FrameCounts(
            self._received, self._analysed, dict(self._skipped), dict(self._dropped), len(self._open)
        )
