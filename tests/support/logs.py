"""The server's own logs in a test."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import structlog

from gifcue.server.logs import configure_logs
from gifcue.server.settings import LogSettings


@contextlib.contextmanager
def logs_to_stderr() -> Iterator[None]:
    """Configures logs as `gifcue serve` does, with all levels, and restores them at the end.

    Not a fixture: pytest has another stderr in the test itself than in what comes before it.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    lines = configure_logs(LogSettings(level="debug"))
    try:
        yield
    finally:
        # Lines are written in a thread of their own: what waits is written before the caller looks.
        lines.close()
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
