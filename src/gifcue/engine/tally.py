"""What the whole server counts besides the outcomes of frames."""

from __future__ import annotations

from collections import Counter

from gifcue.protocol.reasons import FaultCode


class Tally:
    """Owned by the engine and shared by its streams."""

    def __init__(self) -> None:
        self._faults: Counter[str] = Counter()
        self.keyframe_requests = 0

    @property
    def faults(self) -> dict[str, int]:
        """Faults since the start, by code. One that no message reported yet counts as well."""
        return dict(self._faults)

    def fault(self, code: FaultCode) -> None:
        """A fault occurred."""
        self._faults[code.value] += 1
