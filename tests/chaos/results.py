"""What cases found, to print and to keep: a file of one JSON object a line, one for each case that ran."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.cases.case import Case
from tests.chaos.findings import Finding

NOT_RUN = "not run"
# Checks of a case that a cell of the report names at most.
SHOWN = 2


@dataclass(frozen=True, slots=True)
class Result:
    """One case that ran. `problem` says why it did not come to its end."""

    name: str
    passed: bool
    seconds: float
    checks: tuple[Finding, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def lines(self, summary: str) -> list[str]:
        """For people: the case, each of its checks, and what was counted beside them."""
        head = f"{'passed' if self.passed else 'FAILED'}  {self.name}  ({summary}; {self.seconds:.0f} s)"
        lines = [head]
        for check in self.checks:
            mark = " " if check.passed else "!"
            lines.append(f"      {mark} {check.what}: expected {check.expected}, got {check.got}")
        if self.problem:
            lines.append(f"      ! expected a case that runs to its end, got {self.problem}")
        if self.notes:
            lines.append("        " + ", ".join(f"{what} {count}" for what, count in self.notes.items()))
        return lines


def append(path: Path, result: Result) -> None:
    """Adds a result to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(result)) + "\n")


def read(path: Path) -> dict[str, Result]:
    """The results of a file by name; of a case that ran several times, the last one.

    Raises:
        ValueError: a line is none that `append` wrote.
    """
    found: dict[str, Result] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values: dict[str, Any] = json.loads(line)
            checks = tuple(Finding(**check) for check in values.pop("checks"))
            result = Result(**values, checks=checks)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: expected a result of --results: {error}") from None
        found[result.name] = result
    return found


def table(cases: Iterable[Case], before: dict[str, Result], after: dict[str, Result]) -> str:
    """The table of docs/track-record.md: each case, and what two versions did."""
    rows = ["| defect | case | what happens | before | after |", "|---|---|---|---|---|"]
    for case in sorted(cases, key=lambda case: (case.number or 99, case.name)):
        number = str(case.number or "")
        cells = (_cell(before.get(case.name)), _cell(after.get(case.name)))
        rows.append(f"| {number} | `{case.name}` | {_plain(case.summary)} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def _cell(result: Result | None) -> str:
    if result is None:
        return NOT_RUN
    if result.problem:
        return f"**failed**: {_plain(result.problem)}"
    failed = [f"{check.what} {check.got}" for check in result.checks if not check.passed]
    if not failed:
        return "passed"
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return "**failed**: " + _plain("; ".join(failed[:SHOWN])) + more


def _plain(text: str, most: int = 160) -> str:
    """One line of a table's cell."""
    line = " ".join(text.replace("|", "/").split())
    return line if len(line) <= most else line[:most] + "…"
