"""The end of a stop, which nothing can put off: each step has what is left of the time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gifcue.protocol.statistics import WorkerStatus

log = structlog.get_logger()

# Seconds after `server.drain_timeout_s` by which a stop has ended, whatever clients and workers do.
STOP_GRACE_S = 2.0
# The part of them that is kept for killing workers and for the end of the process.
_EXIT_S = 0.5
# What a step gets even where none is left.
_MIN_STEP_S = 0.05


class Stopping:
    """The steps of one stop, whose streams have `drain_timeout_s` from now on. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float], drain_timeout_s: float) -> None:
        self._clock = clock
        self._drained_by_s = clock() + drain_timeout_s
        self._stop_by_s = self._drained_by_s + STOP_GRACE_S - _EXIT_S

    @property
    def drain_left_s(self) -> float:
        """Seconds left for what still goes out."""
        return max(0.0, self._drained_by_s - self._clock())

    @property
    def left_s(self) -> float:
        """Seconds left for the next step."""
        return max(_MIN_STEP_S, self._stop_by_s - self._clock())

    async def step(self, what: str, step: Awaitable[object]) -> bool:
        """One step. It may fail or take too long, and the rest is stopped all the same. True where it has ended."""
        task = asyncio.ensure_future(step)
        # Not cancelled where it takes too long: what it has begun goes on beside the next steps.
        await asyncio.wait({task}, timeout=self.left_s)
        if not task.done():
            log.error("a part of the server did not stop in time", part=what)
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the server failed to stop", part=what, exc_info=error)
        return task.done()

    async def stop_workers(
        self, stop: Awaitable[None], workers: Callable[[], Sequence[WorkerStatus]]
    ) -> None:
        """The last step: stops the worker processes, and kills those that are left."""
        stopping = asyncio.ensure_future(stop)
        if not await self.step("workers", stopping):
            for worker in workers():
                if worker.pid:
                    os.kill(worker.pid, signal.SIGKILL)
            await asyncio.wait({stopping}, timeout=_EXIT_S)
