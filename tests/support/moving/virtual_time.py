"""An event loop whose time jumps to the next timer wherever nothing is to be done."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

# Seconds that a turn of the loop takes. Without it, a timer that is due after less than a float can hold never fires.
_TURN_S = 1e-6


class _Selector(selectors.SelectSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("expected a timer or a task that can go on, got a test that waits for ever")
        self.now_s += _TURN_S if ready or timeout is None else max(_TURN_S, timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its tests take no longer than their computing, and always go the same way."""

    def __init__(self) -> None:
        self._jumping = _Selector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s
