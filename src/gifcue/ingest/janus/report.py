"""What an operator is told: what happens in the room, and what became of each publisher's frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gifcue.ingest.janus.forward import PublisherForward
from gifcue.ingest.janus.videoroom import Publisher

# Publishers whose totals are kept apart. The older ones are added up under the name EARLIER.
MAX_TOTALS = 1024
EARLIER = "earlier publishers"

Kind = Literal["joined", "forwarded", "replaced", "copies", "stopped", "refused", "disconnected"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that an operator wants to know. `publisher` is empty where it is about the room."""

    kind: Kind
    publisher: str = ""
    display: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PublisherTotals:
    """What became of a publisher's packets and frames, over all of its forwards."""

    packets: int = 0
    frames: int = 0
    sent: int = 0
    not_sent: int = 0
    keyframes_requested: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: PublisherTotals) -> PublisherTotals:
        return PublisherTotals(
            self.packets + other.packets,
            self.frames + other.frames,
            self.sent + other.sent,
            self.not_sent + other.not_sent,
            self.keyframes_requested + other.keyframes_requested,
            Counter(self.dropped) + Counter(other.dropped),
        )


class EndedTotals:
    """The totals of forwards that have ended. Bounded, as publishers come and go for days."""

    def __init__(self) -> None:
        self._by_name: dict[str, PublisherTotals] = {}

    @property
    def by_name(self) -> dict[str, PublisherTotals]:
        """A copy, by publisher."""
        return dict(self._by_name)

    def add(self, name: str, totals: PublisherTotals) -> None:
        """Adds what became of a forward to what is known of its publisher."""
        self._by_name[name] = self._by_name.pop(name, PublisherTotals()) + totals
        if len(self._by_name) > MAX_TOTALS:
            oldest = next(each for each in self._by_name if each != EARLIER)
            earlier = self._by_name.pop(EARLIER, PublisherTotals())
            self._by_name[EARLIER] = earlier + self._by_name.pop(oldest)


def totals_of(forward: PublisherForward) -> PublisherTotals:
    """What has become of a forward's packets and frames so far."""
    receiver = forward.source.receiver
    return PublisherTotals(
        receiver.packets,
        receiver.units,
        forward.feed.sent,
        forward.feed.not_sent,
        forward.source.keyframes_requested,
        forward.source.dropped,
    )


def notice_of(kind: Kind, publisher: Publisher, detail: str = "") -> Notice:
    """A notice about a publisher."""
    return Notice(kind, str(publisher.id), publisher.display or "", detail)
