"""Forms batches of what waits and hands them to free workers.

A worker has one batch at a time and none queued behind it. A queued batch would save the worker the round trip to the
front, a fraction of a millisecond between batches that take many. It would cost what matters more: its frames could no
longer be replaced by newer ones, they would all be lost with the worker, and no other worker could take them.

Where several workers are free, what waits is shared out among them rather than given to the first.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence

from gifcue.detect.handle import Still, WorkerHandle
from gifcue.detect.scheduler import Scheduler
from gifcue.detect.settings import DetectSettings
from gifcue.detect.statistics import RECENT
from gifcue.percentiles import RecentValues


class Dispatcher:
    """Between the scheduler and the workers, both of which the pool owns. Called from the loop's thread."""

    def __init__(
        self,
        settings: DetectSettings,
        scheduler: Scheduler[Still],
        workers: Sequence[WorkerHandle],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._workers = workers
        self._clock = clock
        self._numbers = 0
        # Batches by their number of pictures.
        self.batches: Counter[int] = Counter()
        self.wait_ms = RecentValues(RECENT)
        # Frames in one batch at most. It changes where a batch no longer gains time.
        self.batch_limit = settings.batch_limit
        self._wakeup: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def wake(self) -> None:
        """Forms batches at the end of this turn of the loop, so that what one turn brings goes into one batch."""
        if self._wakeup is None and not self._stopped:
            self._wakeup = asyncio.get_running_loop().call_soon(self._dispatch)

    def stop(self) -> None:
        """No batch leaves after this."""
        self._stopped = True
        for handle in (self._wakeup, self._timer):
            if handle is not None:
                handle.cancel()

    def _dispatch(self) -> None:
        self._wakeup = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        free = [worker for worker in self._workers if worker.is_free]
        if not free or not len(self._scheduler):
            return
        wait_s = self._to_wait_s()
        if wait_s > 0.0:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._dispatch)
            return
        for place, worker in enumerate(free):
            share = math.ceil(len(self._scheduler) / (len(free) - place))
            if share:
                self._give(worker, min(share, self.batch_limit))

    def _to_wait_s(self) -> float:
        """How long a batch that is not full may still fill."""
        oldest_s = self._scheduler.oldest_s
        if oldest_s is None or len(self._scheduler) >= self.batch_limit:
            return 0.0
        return oldest_s + self._settings.max_wait_ms / 1000.0 - self._clock()

    def _give(self, worker: WorkerHandle, count: int) -> None:
        frames, stills = self._scheduler.take(count)
        self._numbers += 1
        self.batches[len(frames) + len(stills)] += 1
        now_s = self._clock()
        for frame in frames:
            self.wait_ms.record((now_s - frame.waits_since_s) * 1000.0)
        worker.give(self._numbers, frames, stills)
