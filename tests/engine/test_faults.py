"""The same fault is reported once per interval, with its count."""

from __future__ import annotations

from typing import Any

from gifcue.engine.faults import FaultReporter
from gifcue.engine.tally import Tally
from gifcue.engine.throttle import Throttle
from gifcue.protocol.events import Fault
from gifcue.protocol.reasons import FaultCode
from tests.support.manual_time import ManualTime


class Recorder:
    """A sink that records events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def put(self, event: Any) -> None:
        self.events.append(event)


def test_faults_within_an_interval_are_counted_into_the_next_report() -> None:
    time, recorder = ManualTime(), Recorder()
    reporter = FaultReporter(recorder, Throttle(1.0, time.clock), Tally())
    for sequence, step_s in enumerate((0.0, 0.2, 0.2, 0.7, 0.1, 1.3)):
        time.advance(step_s)
        reporter.report("alice", FaultCode.INVALID_DATA, "damaged", sequence=sequence)
    assert recorder.events == [
        Fault("alice", FaultCode.INVALID_DATA, "damaged", sequence, count)
        for sequence, count in ((0, 1), (3, 3), (5, 2))
    ]


def test_a_name_is_cut_before_it_is_kept() -> None:
    recorder = Recorder()
    reporter = FaultReporter(recorder, Throttle(1.0, ManualTime().clock), Tally())
    for tail in "ab":
        reporter.report("n" * 2_000_000 + tail, FaultCode.UNKNOWN_PARTICIPANT, "")
    assert [len(each.participant_id) for each in recorder.events] == [128]


def test_participants_and_fault_codes_are_throttled_separately() -> None:
    recorder = Recorder()
    reporter = FaultReporter(recorder, Throttle(1.0, ManualTime().clock), Tally())
    for name in ("alice", "bob"):
        for code in (FaultCode.INVALID_DATA, FaultCode.SEQUENCE_GAP):
            reporter.report(name, code, "")
    assert [(each.participant_id, each.code) for each in recorder.events] == [
        (name, code) for name in ("alice", "bob") for code in (FaultCode.INVALID_DATA, FaultCode.SEQUENCE_GAP)
    ]
