"""Results of cases: kept in a file, and compared in a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import results
from tests.chaos.attacks import ATTACKS
from tests.chaos.cases import CASES, QUICK
from tests.chaos.cases.case import Case
from tests.chaos.findings import Finding, Findings
from tests.chaos.results import Result


async def _nothing(*_) -> Findings:
    return Findings()


def check(what: str, *, passed: bool, got: str = "9 s") -> Finding:
    return Finding(what, "at most 4 s", got, passed)


def test_names_are_unique_and_the_quick_ones_exist():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) >= QUICK
    assert {attack.name for attack in ATTACKS} <= set(names)


def test_each_defect_of_the_track_record_has_a_case():
    assert {case.number for case in CASES} - {0} == set(range(1, 11))


def test_results_survive_a_file(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    kept = Result("a", False, 1.5, (check("gap", passed=False),), {"still OK": 3}, "")
    results.append(path, Result("a", True, 1.0))
    results.append(path, kept)
    assert results.read(path) == {"a": kept}


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"name": "a", "checks": [{}]}'])
def test_another_file_is_refused_with_its_line(tmp_path: Path, line: str):
    path = tmp_path / "results.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"results\.jsonl:1: expected a result"):
        results.read(path)


def test_the_table_says_what_failed_and_what_was_not_run():
    cases = [
        Case("a", "first", _nothing, 2),
        Case("b", "second | other", _nothing),
        Case("c", "third", _nothing, 1),
    ]
    failed = Result("a", False, 1.0, (check("gap", passed=False), check("ready", passed=True)))
    table = results.table(
        cases, {"a": failed}, {"a": Result("a", True, 1.0), "b": Result("b", False, 1.0, problem="x | y")}
    )
    assert table.splitlines()[2:] == [
        "| 1 | `c` | third | not run | not run |",
        "| 2 | `a` | first | **failed**: gap 9 s | passed |",
        "|  | `b` | second / other | not run | **failed**: x / y |",
    ]


def test_a_case_without_checks_has_not_passed():
    assert not Findings().passed
