"""Whether both sides of a stream are there: notices a silent server, and is not silent itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gifcue.client.keep_alive import KeepAlive
from gifcue.client.silence import SILENT_INTERVALS, SilenceWatch
from gifcue.protocol.events import Limits


class Liveness:
    """Of one stream, from `start` to `stop`. `say` sends a message without content, `on_silent` gets the reason."""

    def __init__(self, say: Callable[[], None], on_silent: Callable[[str], None]) -> None:
        self._say = say
        self._on_silent = on_silent
        self._silence: SilenceWatch | None = None  # None where the server sends no heartbeats
        self._keep_alive: KeepAlive | None = None  # None where the server waits without limit
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False

    def start(self, limits: Limits) -> None:
        """The server has stated its limits. Only the first call has an effect, and none after `stop`."""
        if self._tasks or self._is_over:
            return
        if limits.heartbeat_interval_ms > 0:
            interval_s = limits.heartbeat_interval_ms / 1000
            why = f"expected a message of the server within {SILENT_INTERVALS * interval_s:g} s, got none"
            self._silence = SilenceWatch(interval_s, lambda: self._on_silent(why))
            self._tasks.append(asyncio.create_task(self._silence.follow(), name="gifcue-silence"))
        # A server that knows no message of several frames takes one without any for a defect.
        if limits.idle_timeout_ms > 0 and limits.max_frames_per_message > 0:
            self._keep_alive = KeepAlive(limits.idle_timeout_ms / 1000, self._say)
            self._tasks.append(asyncio.create_task(self._keep_alive.follow(), name="gifcue-keep-alive"))

    def heard(self) -> None:
        """A message of the server came."""
        if self._silence is not None:
            self._silence.heard()

    def wrote(self) -> None:
        """A message to the server was written."""
        if self._keep_alive is not None:
            self._keep_alive.wrote()

    def stop(self) -> None:
        """The stream is over. Its limits may still be read, from a message that came before."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
