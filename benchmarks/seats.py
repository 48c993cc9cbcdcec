"""Who takes part in a load. Imports nothing: the peers' environments, which lack gifcue, read it too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """One participant: its name, the variant of the footage it shows, and how many seconds later than the first it
    begins.
    """

    name: str
    footage: int
    offset_s: float
