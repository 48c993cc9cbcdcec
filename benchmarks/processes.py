"""Processes of a benchmark's own, with a pipe to each."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_END_S = 2.0
_CONTEXT = multiprocessing.get_context("spawn")


class Child:
    """Runs `work(connection, *arguments)` in a fresh interpreter; end it with `close`.

    What it is handed goes through the pipe and not with the start: a start that hands over more than a pipe holds waits
    for ever where the process dies before it has read it.
    """

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_run, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.say((work, arguments))

    def say(self, message: object) -> None:
        """Sends a message. Raises RuntimeError where the process has ended."""
        try:
            self._connection.send(message)
        except OSError:
            raise RuntimeError("expected a process that listens, it has ended") from None

    def hear(self, timeout_s: float) -> Any:
        """Waits for a message. Raises RuntimeError where none comes."""
        if not self._connection.poll(timeout_s):
            raise RuntimeError(f"expected a process' answer within {timeout_s:g} s, got none")
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise RuntimeError("expected a process' answer, it ended without one") from None

    def close(self) -> None:
        """Ends the process, if it does not end by itself now that nobody talks to it."""
        self._connection.close()
        self._process.join(timeout=_END_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._process.close()


def end_in_order() -> None:
    """Lets SIGTERM end this process as an exit does, so that no server outlives the benchmark that it was for."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _run(connection: Connection) -> None:
    work, arguments = connection.recv()
    work(connection, *arguments)
