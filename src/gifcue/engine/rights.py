"""What the caller of a stream may do. The server's access control says so; without it, everything is allowed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gifcue.protocol.reasons import FaultCode


class StreamRights(Protocol):
    """The rights of one stream."""

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels that participants may allow; None for all that the server has."""
        ...

    def label_refused(self, labels: Collection[str]) -> None:
        """A join or an update has these labels, which are not granted."""
        ...

    def admit_join(self, *, is_new: bool) -> tuple[FaultCode, str] | None:
        """None where a join is allowed now, otherwise why not. `is_new`: it adds a participant to the stream."""
        ...

    def left(self) -> None:
        """A participant that was admitted as new has left."""
        ...


class Unrestricted:
    """Everything is allowed."""

    labels: frozenset[str] | None = None

    def label_refused(self, labels: Collection[str]) -> None:
        """Never called: no label is refused."""

    def admit_join(self, *, is_new: bool) -> tuple[FaultCode, str] | None:
        """Admits every join."""
        return None

    def left(self) -> None:
        """Counts nothing."""
