"""Defects are counted by kind, each with the batch that shows it."""

from __future__ import annotations

from tests.fuzz.tally import MAX_SHOWN, Tally


def test_a_kind_of_defect_is_one_line():
    tally = Tally()
    for batch in range(3, 6):
        tally.defect("no answer", "wire", batch)
    tally.defect("decode-0 died")
    lines = tally.lines()
    assert "! no answer (3 times, first in --only wire --batch 3)" in lines
    assert "! decode-0 died" in lines


def test_many_kinds_do_not_flood():
    tally = Tally()
    for number in range(1000):
        tally.defect(f"kind {number}")
    assert len(tally.lines()) == MAX_SHOWN + 2
