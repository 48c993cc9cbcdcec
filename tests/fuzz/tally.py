"""What a run sent and what came of it."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

# Kinds of defects that are printed.
MAX_SHOWN = 40


@dataclass(slots=True)
class Tally:
    """Counts of a whole run. `packets` are by area; `outcomes` say what became of them; `defects` fail the run."""

    packets: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    # What must not happen: how often, and the first place where it did.
    defects: dict[str, tuple[int, str]] = field(default_factory=dict)

    def defect(self, what: str, area: str = "", batch: int = 0) -> None:
        """Something that must not happen, with the batch that shows it where it is one's."""
        count, first = self.defects.get(what, (0, f"--only {area} --batch {batch}" if area else ""))
        self.defects[what] = (count + 1, first)

    @property
    def total(self) -> int:
        """All packets."""
        return self.packets.total()

    def lines(self) -> list[str]:
        """For people."""
        areas = ", ".join(f"{area} {count:,}" for area, count in self.packets.most_common())
        outcomes = ", ".join(f"{what} {count:,}" for what, count in self.outcomes.most_common(24))
        return [
            f"packets: {self.total:,} ({areas})",
            f"outcomes: {outcomes}",
            *(
                f"! {what}" + (f" ({count} times, first in {first})" if first else "")
                for what, (count, first) in itertools.islice(self.defects.items(), MAX_SHOWN)
            ),
        ]
