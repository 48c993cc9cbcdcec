"""When a worker counts as stuck, and when it has failed too often. Times are handed in; no processes."""

from __future__ import annotations

import enum
from collections import deque

from gifcue.workers.settings import SupervisionSettings


class RestartBudget:
    """Counts failures within a window and says how long to wait before the next start."""

    def __init__(self, settings: SupervisionSettings) -> None:
        self._settings = settings
        self._failures: deque[float] = deque()

    def spend(self, now_s: float) -> float | None:
        """The pause before the next start in seconds; None where the budget is spent."""
        self._failures.append(now_s)
        while now_s - self._failures[0] >= self._settings.restart_window_s:
            self._failures.popleft()
        count = len(self._failures)
        if count > self._settings.max_restarts:
            return None
        return min(self._settings.backoff_initial_s * 2.0 ** (count - 1), self._settings.backoff_max_s)


class WatchdogAction(enum.Enum):
    """What to do after a tick of the watchdog."""

    NOTHING = 0
    PING = 1
    STUCK = 2


class Watchdog:
    """Tells a stuck worker from a busy one. Anything that the worker sends shows that it is not stuck.

    Silence is summed up tick by tick, and the time between two ticks counts for two intervals at most: where the front
    itself was stopped (a suspended machine, a debugger), its workers must not be killed for it.
    """

    def __init__(self, settings: SupervisionSettings, now_s: float) -> None:
        self.tick_s = min(settings.ping_interval_s, settings.stuck_after_s / 4.0)
        self._settings = settings
        self._last_tick_s = now_s
        self._last_ping_s = now_s
        self._asked = False
        self._silent_s = 0.0

    def heard(self, *, pong: bool) -> None:
        """The worker sent something."""
        self._silent_s = 0.0
        if pong:
            self._asked = False

    def tick(self, now_s: float) -> WatchdogAction:
        """To be called every `tick_s`."""
        passed_s = min(now_s - self._last_tick_s, 2.0 * self.tick_s)
        self._last_tick_s = now_s
        if self._asked:
            self._silent_s += passed_s
            return (
                WatchdogAction.STUCK
                if self._silent_s >= self._settings.stuck_after_s
                else WatchdogAction.NOTHING
            )
        if now_s - self._last_ping_s < self._settings.ping_interval_s:
            return WatchdogAction.NOTHING
        self._asked, self._silent_s, self._last_ping_s = True, 0.0, now_s
        return WatchdogAction.PING
