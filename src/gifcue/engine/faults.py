"""Reports of what is wrong with a participant or a frame, at most one an interval for each kind of fault."""

from __future__ import annotations

from gifcue.protocol.events import Fault
from gifcue.protocol.reasons import FaultCode


class FaultReporter:
    """Reports the same fault of the same participant at most once an interval, and counts what it held back."""

    # Names come from outside; over this many the oldest are forgotten, which at worst reports one fault early.
    MAX_REMEMBERED = 4096

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last: dict[tuple[str, FaultCode], tuple[float, int]] = {}

    def report(
        self, participant_id: str, code: FaultCode, message: str, *, sequence: int, now_s: float
    ) -> Fault | None:
        """The event to send, or None when one was sent less than an interval ago."""
        key = (participant_id, code)
        last_s, held_back = self._last.get(key, (-float("inf"), 0))
        if now_s - last_s < self._interval_s:
            self._last[key] = (last_s, held_back + 1)
            return None
        self._last.pop(key, None)
        if len(self._last) >= self.MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[key] = (now_s, 0)
        return Fault(participant_id, code, message, sequence, held_back + 1)
