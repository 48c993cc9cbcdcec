"""What a worker process may send at a point. One that floods the front would take its time from the others."""

from __future__ import annotations

from gifcue.workers.framing import Kind
from gifcue.workers.messages import InvalidMessage

# Messages that a worker may send for each that it was sent, and beyond that.
MESSAGES_FOR_ONE = 2
MAX_UNASKED = 64


class MessageOrder:
    """Of one process. A worker answers, and tells little besides."""

    def __init__(self) -> None:
        self._heard_ready = False
        self._pings = 0  # not answered yet
        self._unasked = 0  # messages beyond those that it may send for what it was sent

    def sent(self) -> None:
        """The process was sent a message."""
        self._unasked -= MESSAGES_FOR_ONE

    def pinged(self) -> None:
        """The process was sent a ping."""
        self._pings += 1

    def heard(self, kind: Kind) -> None:
        """The process has sent something.

        Raises:
            InvalidMessage: a sound child does not send it at this point, such as an answer to no ping.
        """
        if kind is Kind.PONG:
            self._pings -= 1
            fits = self._pings >= 0
        elif kind is Kind.MESSAGE:
            self._unasked += 1
            fits = self._heard_ready and self._unasked <= MAX_UNASKED
        else:
            fits = kind is Kind.CRASH or not self._heard_ready
        if not fits:
            raise InvalidMessage(f"expected no {kind.name} at this point, got one")
        self._heard_ready = self._heard_ready or kind is Kind.READY
