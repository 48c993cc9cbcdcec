"""Child processes of a benchmark, with a pipe to each."""

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
    """Runs `work(connection, *arguments)` in a new interpreter. `close` ends it.

    The arguments are sent through the pipe, after the start. As arguments of the process itself, they would block the
    start for ever if they exceed the pipe's buffer and the process dies before it has read them.
    """

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._connection, child_end = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_run, args=(child_end,), daemon=True)
        self._process.start()
        child_end.close()
        self.send((work, arguments))

    def send(self, message: object) -> None:
        """Sends a message. Raises RuntimeError if the process has ended."""
        try:
            self._connection.send(message)
        except OSError:
            raise RuntimeError("expected a running process, it has ended") from None

    def receive(self, timeout_s: float) -> Any:
        """Waits for a message. Raises RuntimeError if none arrives within `timeout_s` seconds or the process ends."""
        if not self._connection.poll(timeout_s):
            raise RuntimeError(f"expected an answer of the process within {timeout_s:g} s, got none")
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise RuntimeError("expected an answer of the process, it ended without one") from None

    def close(self) -> None:
        """Closes the pipe and terminates the process if it does not end by itself within `_END_S` seconds."""
        self._connection.close()
        self._process.join(timeout=_END_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._process.close()


def exit_on_sigterm() -> None:
    """Makes SIGTERM raise SystemExit, so that clean-up runs and no server outlives its benchmark."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _run(connection: Connection) -> None:
    work, arguments = connection.recv()
    work(connection, *arguments)
