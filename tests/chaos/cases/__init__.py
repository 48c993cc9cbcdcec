"""The cases by name. Each module covers one kind of fault; `CASES` lists all of them."""

from __future__ import annotations

from tests.chaos.cases import attacked, overload, probes, readers, surroundings, workers
from tests.chaos.cases.case import Case

CASES: tuple[Case, ...] = (
    *attacked.CASES,
    *workers.CASES,
    *overload.CASES,
    *readers.CASES,
    *surroundings.CASES,
    *probes.CASES,
)

# The cases that CI runs: quick, and the same on any machine.
QUICK = frozenset(
    {"http-refusals", "broken-protocol", "cut-messages", "label-flood", "killed-workers", "lost-gifs"}
)
