"""What was made of a clip, whoever made it: a server, or a policy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent


@dataclass(frozen=True, slots=True)
class ClipRun:
    """One clip's events, in order. All times are seconds from the clip's start.

    `seconds` is the recording's length, `analysed_s` when frames were analysed, `faults` how often the server
    found something wrong, by code.
    """

    name: str
    seconds: float
    events: tuple[PolicyEvent, ...]
    counts: FrameCounts = field(default_factory=FrameCounts)
    analysed_s: tuple[float, ...] = ()
    faults: Mapping[str, int] = field(default_factory=Counter)

    @property
    def started(self) -> list[PolicyEvent]:
        """The reactions that started."""
        return [event for event in self.events if event.phase is Phase.STARTED]

    def end_of(self, reaction_id: str) -> float:
        """When a reaction or a hold was over; the clip's end where nothing says."""
        over = (Phase.ENDED, Phase.CANCELLED)
        ends = (e.at_s for e in self.events if e.reaction_id == reaction_id and e.phase in over)
        return next(ends, self.seconds)
