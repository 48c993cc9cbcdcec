"""The reactions to one clip, from a server or from a policy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent


@dataclass(frozen=True, slots=True)
class ClipRun:
    """The events of one clip in order. All times are seconds from the clip's start.

    Attributes:
        name: the clip's file name.
        seconds: its length.
        events: what the policy emitted.
        counts: the frame accounting of its participant.
        analysed_s: the times of the analysed frames.
        faults: numbers of faults by code.
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
        """When a reaction or a hold ended; the clip's end if there is no such event."""
        over = (Phase.ENDED, Phase.CANCELLED)
        ends = (e.at_s for e in self.events if e.reaction_id == reaction_id and e.phase in over)
        return next(ends, self.seconds)
