"""Reports of faults of a participant or a frame."""

from __future__ import annotations

from gifcue.engine.events import Sink
from gifcue.engine.settings import LimitSettings
from gifcue.engine.tally import Tally
from gifcue.engine.throttle import Throttle
from gifcue.protocol.events import Fault
from gifcue.protocol.reasons import FaultCode


class FaultReporter:
    """Reports faults to one stream. `throttle` limits how often the same fault of one participant is reported, `tally`
    counts every one of them.
    """

    def __init__(self, sink: Sink, throttle: Throttle, tally: Tally) -> None:
        self._sink = sink
        self._throttle = throttle
        self._tally = tally

    def report(self, participant_id: str, code: FaultCode, message: str, *, sequence: int = 0) -> None:
        """Sends the fault, with the number of faults that it stands for, or holds it back and counts it."""
        self._tally.fault(code)
        # A name comes from outside and may be as long as a message: it is cut before anything keeps it.
        participant_id = participant_id[: LimitSettings.max_name_bytes]
        count = self._throttle.admit((participant_id, code))
        if count:
            self._sink.put(Fault(participant_id, code, message, sequence, count))
