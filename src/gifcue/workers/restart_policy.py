"""When a worker counts as stuck, and how long the pauses between restarts are. Times are handed in; no processes."""

from __future__ import annotations

import enum
from collections import deque

from gifcue.workers.activity import Activity
from gifcue.workers.settings import SupervisionSettings

# A worker that was ready for so long was healthy: the next loss is a first one.
HEALTHY_AFTER_S = 10.0
# The longest pause after a process that could not be started, which costs nothing, and after a worker that was ready,
# which has work that waits. `backoff_max_s` applies to a worker that fails while it starts, which costs CPU time.
SHORT_PAUSE_MAX_S = 2.0
# So many starts that fail in a row make a worker FAILED. It is still restarted.
FAILED_AFTER_STARTS = 5

# A process that waits for something uses less than this share of a CPU; one that computes gets more, even where the CPU
# is shared by many.
_PROGRESS_SHARE = 0.05
# Where the system does not say what a process does, and while a worker starts (it may wait for a disk), silence must
# last so many times longer.
_PATIENCE = 5.0


class RestartPauses:
    """Says how long to wait before the next start. There is always a next start."""

    def __init__(self, settings: SupervisionSettings) -> None:
        self._settings = settings
        self._failures = 0
        self._failed_starts = 0
        self._ready_s: float | None = None

    @property
    def has_failed(self) -> bool:
        """True where so many starts failed in a row that the worker is not expected back soon."""
        return self._failed_starts >= FAILED_AFTER_STARTS

    def ready(self, now_s: float) -> None:
        """The worker is ready."""
        self._ready_s = now_s
        self._failed_starts = 0

    def lost(self, now_s: float, *, was_started: bool) -> float:
        """The worker is gone; `was_started` is False where the system started no process. Returns the pause before the
        next start in seconds: none after a healthy life, then `backoff_initial_s`, then twice as long each time.
        """
        was_ready = self._ready_s is not None
        if self._ready_s is not None and now_s - self._ready_s >= HEALTHY_AFTER_S:
            self._failures = 0
        self._ready_s = None
        self._failures += 1
        self._failed_starts += not was_ready
        longest_s = self._settings.backoff_max_s
        if was_ready or not was_started:
            longest_s = min(longest_s, SHORT_PAUSE_MAX_S)
        if self._failures == 1 and was_ready:
            return 0.0
        # The exponent is bounded: a worker may fail for years.
        doublings = min(self._failures - 1 - was_ready, 32)
        return min(self._settings.backoff_initial_s * 2.0**doublings, longest_s)


class WatchdogAction(enum.Enum):
    """What to do after a tick of the watchdog."""

    NOTHING = 0
    PING = 1
    # No sign of life and no CPU time used.
    STUCK = 2
    # As STUCK, and the process was stopped from outside.
    STOPPED = 3
    # No sign of life, and more CPU time used than any work needs.
    ENDLESS = 4


class Watchdog:
    """Tells a stuck worker from a busy one, and from one that waits for a busy CPU.

    Anything that the worker sends is a sign of life. Without one for `stuck_after_s`, a worker is stuck if it used next
    to no CPU time in as long and is not runnable. A silent worker that computes is left alone up to
    `max_silent_cpu_s`.

    Time is summed up tick by tick, and the time between two ticks counts for two intervals at most: where the front
    itself was stopped (a suspended machine, a debugger), its workers must not be killed for it.
    """

    def __init__(self, settings: SupervisionSettings, now_s: float, *, is_starting: bool = False) -> None:
        self.tick_s = min(settings.ping_interval_s, settings.stuck_after_s / 16.0)
        self._settings = settings
        self._is_starting = is_starting
        self._stuck_after_s = settings.stuck_after_s * (_PATIENCE if is_starting else 1.0)
        self._last_tick_s = now_s
        self._elapsed_s = 0.0
        self._heard_s = 0.0
        self._pinged_s = 0.0
        # CPU time at the last tick at or before the last sign of life.
        self._heard_cpu_s: float | None = None
        # Elapsed time and CPU time at each tick since the last sign of life, or since the worker was runnable.
        self._samples: deque[tuple[float, float]] = deque()

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return self._elapsed_s - self._heard_s

    def heard(self) -> None:
        """The worker sent something."""
        self._heard_s = self._elapsed_s
        self._heard_cpu_s = None
        self._samples.clear()

    def tick(self, now_s: float, activity: Activity | None) -> WatchdogAction:
        """To be called every `tick_s`, with what the process does; None where that is unknown."""
        self._elapsed_s += min(now_s - self._last_tick_s, 2.0 * self.tick_s)
        self._last_tick_s = now_s
        verdict = self._unknown() if activity is None else self._known(activity)
        if verdict is not WatchdogAction.NOTHING:
            return verdict
        if not self._is_starting and self._elapsed_s - self._pinged_s >= self._settings.ping_interval_s:
            self._pinged_s = self._elapsed_s
            return WatchdogAction.PING
        return WatchdogAction.NOTHING

    def _unknown(self) -> WatchdogAction:
        self._samples.clear()
        is_stuck = not self._is_starting and self.silent_s >= _PATIENCE * self._stuck_after_s
        return WatchdogAction.STUCK if is_stuck else WatchdogAction.NOTHING

    def _known(self, activity: Activity) -> WatchdogAction:
        if self._heard_cpu_s is None:
            self._heard_cpu_s = activity.cpu_s
        if not self._is_starting and activity.cpu_s - self._heard_cpu_s > self._settings.max_silent_cpu_s:
            return WatchdogAction.ENDLESS
        if activity.is_runnable:
            self._samples.clear()
            return WatchdogAction.NOTHING
        self._samples.append((self._elapsed_s, activity.cpu_s))
        # The first sample that is kept is the newest one that is old enough.
        while len(self._samples) > 1 and self._elapsed_s - self._samples[1][0] >= self._stuck_after_s:
            self._samples.popleft()
        began_s, began_cpu_s = self._samples[0]
        passed_s = self._elapsed_s - began_s
        if passed_s < self._stuck_after_s or activity.cpu_s - began_cpu_s >= _PROGRESS_SHARE * passed_s:
            return WatchdogAction.NOTHING
        return WatchdogAction.STOPPED if activity.is_stopped else WatchdogAction.STUCK
