from __future__ import annotations

import itertools

from gifcue.gestures.candidates import FORGET_AFTER_S, MAX_CANDIDATES, Candidates
from gifcue.gestures.trainer import Report
from tests.support.gestures import gesture
from tests.support.manual_time import ManualTime

REPORT = Report(30, 29, 0, 0, 100, 0, 0)


def test_candidates_are_bounded_and_forgotten_after_a_while() -> None:
    time = ManualTime()
    ids = itertools.count()
    candidates = Candidates(time.clock, lambda: str(next(ids)))
    names = [candidates.add("fan", gesture("fan"), REPORT).name for _ in range(MAX_CANDIDATES)]
    assert candidates.find(names[0]) is not None
    candidates.add("fan", gesture("fan"), REPORT)
    assert candidates.find(names[1]) is None, "the one that was used longest ago gives way"
    assert candidates.find(names[0]) is not None
    time.advance(FORGET_AFTER_S + 1.0)
    assert candidates.find(names[0]) is None
    assert not candidates.discard(names[0])
