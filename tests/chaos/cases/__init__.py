"""The cases by name. Each module covers one kind of fault; `CASES` lists all of them."""

from __future__ import annotations

from tests.chaos.cases import bitstreams, memory, probes, readers, starvation, stuck
from tests.chaos.cases.case import Case

CASES: tuple[Case, ...] = (
    *bitstreams.CASES,
    *starvation.CASES,
    *readers.CASES,
    *memory.CASES,
    *stuck.CASES,
    *probes.CASES,
)
