"""The server on which one stream runs, as the stream sees it."""

from __future__ import annotations

from typing import Any, Protocol


class Seat(Protocol):
    """The server on which a stream runs."""

    async def stub(self) -> Any:
        """The stub of ReactionService. Raises ServerError where no server is known."""

    def ended(self, problem: BaseException | None, was_ready: bool) -> None:
        """The stream is over: with an error or without one; `was_ready` where the server had sent its Ready."""
