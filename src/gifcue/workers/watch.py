"""Follows one process from its start: pings it, and says when it is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gifcue.workers.activity import activity_of
from gifcue.workers.loss import Loss
from gifcue.workers.restart_policy import Watchdog, WatchdogAction
from gifcue.workers.settings import SupervisionSettings


class ProcessWatch:
    """Runs on the loop's timers until `cancel`.

    `ping` is to send a ping to the process. `end` is called once, where the process is stuck or does not become ready
    within `start_timeout_s`; the watch is over by then.
    """

    def __init__(
        self,
        pid: int,
        settings: SupervisionSettings,
        clock: Callable[[], float],
        *,
        ping: Callable[[], None],
        end: Callable[[Loss], None],
    ) -> None:
        self._pid = pid
        self._settings = settings
        self._clock = clock
        self._ping = ping
        self._end = end
        self._watchdog = Watchdog(settings, clock(), is_starting=True)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(settings.start_timeout_s, self._on_start_timeout)
        self._timer = loop.call_later(self._watchdog.tick_s, self._on_tick)

    def heard(self) -> None:
        """The process sent something."""
        self._watchdog.heard()

    def ready(self) -> None:
        """The process is ready: it answers pings from now on."""
        self._deadline.cancel()
        self._watchdog = Watchdog(self._settings, self._clock())

    def cancel(self) -> None:
        """Ends the watch. Calling it again does nothing."""
        self._deadline.cancel()
        self._timer.cancel()

    def _on_start_timeout(self) -> None:
        self._over(Loss(f"expected to be ready within {self._settings.start_timeout_s:g} s, was not"))

    def _on_tick(self) -> None:
        silent_s = self._watchdog.silent_s
        match self._watchdog.tick(self._clock(), activity_of(self._pid)):
            case WatchdogAction.STUCK:
                self._over(Loss(f"stuck: expected a sign of life, got none for {silent_s:.1f} s"))
                return
            case WatchdogAction.STOPPED:
                reason = f"stopped by a signal: expected a sign of life, got none for {silent_s:.1f} s"
                self._over(Loss(reason, is_blameless=True))
                return
            case WatchdogAction.ENDLESS:
                limit_s = self._settings.max_silent_cpu_s
                self._over(Loss(f"stuck: expected a sign of life within {limit_s:g} s of CPU time, got none"))
                return
            case WatchdogAction.PING:
                self._ping()
            case WatchdogAction.NOTHING:
                pass
        self._timer = asyncio.get_running_loop().call_later(self._watchdog.tick_s, self._on_tick)

    def _over(self, loss: Loss) -> None:
        self.cancel()
        self._end(loss)
