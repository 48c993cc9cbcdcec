"""The report on a room for the operator who runs an adapter: events, and the outcome of each publisher's frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# Publishers whose totals are kept apart. The older ones are added up under the name EARLIER.
MAX_TOTALS = 1024
EARLIER = "earlier publishers"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that an operator wants to know. `publisher` is empty where it is about the room."""

    kind: str
    publisher: str = ""
    display: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PublisherTotals:
    """What became of a publisher's packets and frames, over all of its videos."""

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
    """The totals of videos that have ended. Bounded, as publishers come and go for days."""

    def __init__(self) -> None:
        self._by_name: dict[str, PublisherTotals] = {}

    @property
    def by_name(self) -> dict[str, PublisherTotals]:
        """A copy, by publisher."""
        return dict(self._by_name)

    def add(self, name: str, totals: PublisherTotals) -> None:
        """Adds what became of a video to what is known of its publisher."""
        self._by_name[name] = self._by_name.pop(name, PublisherTotals()) + totals
        if len(self._by_name) > MAX_TOTALS:
            oldest = next(each for each in self._by_name if each != EARLIER)
            earlier = self._by_name.pop(EARLIER, PublisherTotals())
            self._by_name[EARLIER] = earlier + self._by_name.pop(oldest)
