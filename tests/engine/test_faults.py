"""The same fault is told once an interval, with how many it stands for."""

from __future__ import annotations

from gifcue.engine.faults import FaultReporter
from gifcue.protocol.reasons import FaultCode


def test_faults_within_an_interval_are_counted_into_the_next_report() -> None:
    reporter = FaultReporter(1.0)
    counts = []
    for now_s in (0.0, 0.2, 0.4, 1.1, 1.2, 2.5):
        fault = reporter.report("alice", FaultCode.INVALID_DATA, "damaged", sequence=1, now_s=now_s)
        counts.append(fault.count if fault else None)
    assert counts == [1, None, None, 3, None, 2]


def test_people_and_kinds_are_told_apart() -> None:
    reporter = FaultReporter(1.0)
    told = [
        reporter.report(name, kind, "", sequence=1, now_s=0.0)
        for name in ("alice", "bob")
        for kind in (FaultCode.INVALID_DATA, FaultCode.SEQUENCE_GAP)
    ]
    assert all(told)


def test_names_without_end_take_no_memory_without_end() -> None:
    reporter = FaultReporter(1.0)
    for number in range(3 * FaultReporter.MAX_REMEMBERED):
        reporter.report(f"ghost-{number}", FaultCode.UNKNOWN_PARTICIPANT, "", sequence=1, now_s=0.0)
    # The first ghost is forgotten by now, so it is told of anew; the last one is not.
    assert reporter.report("ghost-0", FaultCode.UNKNOWN_PARTICIPANT, "", sequence=1, now_s=0.0)
    last = f"ghost-{3 * FaultReporter.MAX_REMEMBERED - 1}"
    assert reporter.report(last, FaultCode.UNKNOWN_PARTICIPANT, "", sequence=1, now_s=0.0) is None
