"""What a worker counts of its calls, until the front asks for it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

from gifcue.detect.messages import CALL_BOUNDS_S, FailureReason, RemoteReport
from gifcue.workers.messages import bounded


class Figures:
    """Counts since the last report. Called from the worker's thread and from those of the prober."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def sent(self, sent_bytes: int) -> None:
        """A call began."""
        with self._lock:
            self._calls += 1
            self._sent_bytes += sent_bytes

    def answered(self, pictures: int, received_bytes: int, duration_s: float) -> None:
        """A call gave the outputs of these pictures."""
        with self._lock:
            self._remote += pictures
            self._received_bytes += received_bytes
            self._durations[bisect_left(CALL_BOUNDS_S, duration_s)] += 1
            self._duration_s += duration_s

    def failed(self, reason: FailureReason, message: str) -> None:
        """A call, or a check of an endpoint, gave nothing."""
        with self._lock:
            self._failures[reason] += 1
            self._last_failure = bounded(message)

    def ran_here(self, pictures: int) -> None:
        """The worker ran a network itself on so many pictures."""
        with self._lock:
            self._local += pictures

    def over_limit(self, pictures: int) -> None:
        """So many pictures were not sent, since the bandwidth that is allowed is used up."""
        with self._lock:
            self._over_limit += pictures

    def report(self, endpoints: int, usable: int) -> RemoteReport:
        """The counts, which begin again."""
        with self._lock:
            report = RemoteReport(
                endpoints,
                usable,
                self._calls,
                dict(self._failures),
                tuple(self._durations),
                self._duration_s,
                self._remote,
                self._local,
                self._over_limit,
                self._sent_bytes,
                self._received_bytes,
                self._last_failure,
            )
            self._clear()
        return report

    def _clear(self) -> None:
        self._calls = self._remote = self._local = self._over_limit = 0
        self._sent_bytes = self._received_bytes = 0
        self._failures: Counter[FailureReason] = Counter()
        self._durations = [0] * (len(CALL_BOUNDS_S) + 1)
        self._duration_s = 0.0
        self._last_failure = ""
