"""What goes wrong between gifcue and Janus."""

from __future__ import annotations

from gifcue.errors import GifcueError


class JanusError(GifcueError):
    """Janus cannot be used."""


class JanusUnavailable(JanusError):
    """Janus cannot be reached, or the connection to it is lost. Another attempt may succeed."""


class JanusRefused(JanusError):
    """Janus answered a request with an error: the same request gives the same answer.

    `code` is Janus' own, such as 426 for an unknown room.
    """

    def __init__(self, request: str, code: int, reason: str) -> None:
        super().__init__(f"expected Janus to accept {request}, got error {code}: {reason}")
        self.code = code
