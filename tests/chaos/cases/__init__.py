"""The cases by name. Each module covers one kind of fault; `CASES` lists all of them."""

from __future__ import annotations

from tests.chaos.cases import attacked, honest, overload, probes, readers, surroundings, workers
from tests.chaos.cases.case import Case

CASES: tuple[Case, ...] = (
    *attacked.CASES,
    *workers.CASES,
    *overload.CASES,
    *honest.CASES,
    *readers.CASES,
    *surroundings.CASES,
    *probes.CASES,
)

# The cases that CI runs: quick, and the same on any machine.
QUICK = frozenset(
    {
        "http-refusals",
        "stills-on-disk",
        "broken-protocol",
        "cut-messages",
        "unknown-names",
        "closed-window-drain",
        "second-sigterm",
    }
)
