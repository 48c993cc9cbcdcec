"""The way of a log line to stderr: it neither raises nor waits, whatever is behind stderr.

A disk may be full, and the reader of a pipe may have stopped. Lines are therefore written by a thread of their own.
Those that cannot be written, and those beyond the bounds here, are lost and counted.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

# Lines that wait for the thread.
MAX_WAITING = 2048
# Lines of one event: so many at once, and so many a second after that.
BURST = 100
LINES_PER_S = 10.0
# Events that are told apart. Each is a literal in the code, or a place in a library.
_MAX_EVENTS = 512
# How long a pipe that is full is waited for before a line is given up.
_FULL_PIPE_S = 1.0

SUPPRESSED, QUEUE_FULL, NOT_WRITTEN = "suppressed", "queue_full", "not_written"


class LogLines:
    """Takes lines, and writes them to a stream in a thread. `lost` counts those that were not written, by reason."""

    def __init__(self, stream: TextIO, max_waiting: int = MAX_WAITING) -> None:
        self._write = _writer(stream)
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._lost: Counter[str] = Counter({SUPPRESSED: 0, QUEUE_FULL: 0, NOT_WRITTEN: 0})
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> Mapping[str, int]:
        """Lines that were not written, by reason."""
        return dict(self._lost)

    def lose(self, reason: str) -> None:
        """Counts a line that is not written."""
        self._lost[reason] += 1

    def msg(self, message: str) -> None:
        """Takes a line."""
        if self._queue.qsize() >= self._max_waiting:
            self.lose(QUEUE_FULL)
            return
        self._queue.put(message)

    # The names under which structlog calls a logger.
    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg

    def close(self, timeout_s: float = 1.0) -> None:
        """Writes what waits, for at most `timeout_s` seconds. Later lines are lost."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._write(line + "\n")
            except (OSError, ValueError):
                self.lose(NOT_WRITTEN)


class EventLimit:
    """A processor of structlog that lets each event through up to a rate. `clock` is in seconds.

    The next line of an event that was suppressed says how many were: `suppressed=12`.
    """

    def __init__(
        self,
        on_suppressed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        burst: int = BURST,
        lines_per_s: float = LINES_PER_S,
    ) -> None:
        self._on_suppressed = on_suppressed
        self._clock = clock
        self._burst = burst
        self._lines_per_s = lines_per_s
        # Lines that an event may still write, as of a time, and how many were suppressed since its last one.
        self._events: dict[tuple[str, str], tuple[float, float, int]] = {}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        key = (str(event.get("event")), str(event.get("place", "")))
        now_s = self._clock()
        left, since_s, suppressed = self._events.get(key, (float(self._burst), now_s, 0))
        left = min(self._burst, left + (now_s - since_s) * self._lines_per_s)
        if key not in self._events and len(self._events) >= _MAX_EVENTS:
            self._events.clear()
        if left < 1.0:
            self._events[key] = (left, now_s, suppressed + 1)
            self._on_suppressed()
            raise structlog.DropEvent
        self._events[key] = (left - 1.0, now_s, 0)
        if suppressed:
            event["suppressed"] = suppressed
        return event


def _writer(stream: TextIO) -> Callable[[str], None]:
    """Writes to the descriptor of a stream, or to the stream itself where it has none.

    A buffered stream that cannot be written keeps the bytes and tries them again with each line.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):

        def to_stream(text: str) -> None:
            stream.write(text)
            stream.flush()

        return to_stream

    def to_descriptor(text: str) -> None:
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                # Somebody else has made the pipe non-blocking, and nobody reads it at the moment.
                if not select.select([], [descriptor], [], _FULL_PIPE_S)[1]:
                    raise

    return to_descriptor
