"""What the front knows of inference servers: the sum of what the detector workers report.

Only the workers talk to the servers. The front asks each of them at an interval, because a worker that sends unasked
could flood the front.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from gifcue.detect.handle import WorkerHandle
from gifcue.detect.messages import CALL_BOUNDS_S, AskReport, RemoteReport

log = structlog.get_logger()

REPORT_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class RemoteStatistics:
    """Of all workers together; counts are since the start.

    Attributes:
        endpoints: in the settings.
        usable: how many of them the worker that sees the fewest can use.
        is_fallback: at least one worker can use none and runs the networks itself.
        fallbacks: how often that began.
        calls: calls that were sent.
        failures: calls and checks that gave nothing that can be used, by reason.
        durations: calls that were answered, by `CALL_BOUNDS_S`; `duration_s` is their sum.
        remote_pictures: runs of a network on one picture, by a server.
        local_pictures: the same, by a worker; `over_limit` of them for want of bandwidth.
        sent_bytes: of pictures.
        received_bytes: of outputs.
    """

    endpoints: int
    usable: int
    is_fallback: bool
    fallbacks: int
    calls: int
    failures: Mapping[str, int]
    durations: tuple[int, ...]
    duration_s: float
    remote_pictures: int
    local_pictures: int
    over_limit: int
    sent_bytes: int
    received_bytes: int


class RemoteWatch:
    """Asks the workers of the pool for reports and sums them up. Called from the loop's thread."""

    def __init__(
        self, workers: Sequence[WorkerHandle], endpoints: int, on_change: Callable[[], None]
    ) -> None:
        """`on_change` is called after each change of `is_fallback`."""
        self._workers = workers
        self._endpoints = endpoints
        self._on_change = on_change
        self._timer: asyncio.TimerHandle | None = None
        # The endpoints that each worker can use; workers that have not reported, or are gone, are not in it.
        self._usable: dict[int, int] = {}
        self._totals: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._durations = [0] * (len(CALL_BOUNDS_S) + 1)
        self._duration_s = 0.0
        self._fallbacks = 0
        self._was_fallback = False

    @property
    def is_fallback(self) -> bool:
        """True while a worker can use no endpoint."""
        return not all(self._usable.values())

    def start(self) -> None:
        """Asks at an interval from now on."""
        self._timer = asyncio.get_running_loop().call_later(REPORT_INTERVAL_S, self._ask)

    def stop(self) -> None:
        """Asks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self, worker: WorkerHandle, report: RemoteReport) -> None:
        """Adds a report of a worker."""
        self._usable[id(worker)] = report.usable
        for name in (
            "calls",
            "remote_pictures",
            "local_pictures",
            "over_limit",
            "sent_bytes",
            "received_bytes",
        ):
            self._totals[name] += getattr(report, name)
        self._failures.update(report.failures)
        self._durations = [old + new for old, new in zip(self._durations, report.durations, strict=True)]
        self._duration_s += report.duration_s
        self._note_change(report.last_failure)

    def forget(self, worker: WorkerHandle) -> None:
        """The worker is gone. What it could use counts no more; whether that is a change, the next report tells."""
        self._usable.pop(id(worker), None)

    def statistics(self) -> RemoteStatistics:
        """The figures as they stand."""
        return RemoteStatistics(
            endpoints=self._endpoints,
            usable=min(self._usable.values(), default=0),
            is_fallback=self.is_fallback,
            fallbacks=self._fallbacks,
            calls=self._totals["calls"],
            failures=dict(sorted(self._failures.items())),
            durations=tuple(self._durations),
            duration_s=self._duration_s,
            remote_pictures=self._totals["remote_pictures"],
            local_pictures=self._totals["local_pictures"],
            over_limit=self._totals["over_limit"],
            sent_bytes=self._totals["sent_bytes"],
            received_bytes=self._totals["received_bytes"],
        )

    def _ask(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(REPORT_INTERVAL_S, self._ask)
        for worker in self._workers:
            # One that works answers when it is done, and is not asked again before that.
            if worker.process.is_ready and not worker.is_asked:
                worker.is_asked = True
                worker.process.send(AskReport())

    def _note_change(self, why: str) -> None:
        is_fallback = self.is_fallback
        if is_fallback == self._was_fallback:
            return
        self._was_fallback = is_fallback
        if is_fallback:
            self._fallbacks += 1
            log.warning("inference servers lost, networks run here", endpoints=self._endpoints, why=why)
        else:
            log.info("inference servers are back", endpoints=self._endpoints)
        self._on_change()
