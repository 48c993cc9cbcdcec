"""Structured logs without personal data: an event and its fields. Sessions are named by their random id alone.

Errors are logged by type and stack, never by message: a message quotes the input, which may be a person's name.
"""

from __future__ import annotations

import atexit
import logging
import sys
import traceback
from typing import get_args

import structlog
from structlog.typing import EventDict, WrappedLogger

from gifcue.errors import ConfigError
from gifcue.server.log_lines import SUPPRESSED, EventLimit, LogLines
from gifcue.server.settings import LogSettings

# The levels of `log.level`.
LEVELS: tuple[str, ...] = get_args(LogSettings.model_fields["level"].annotation)


def configure_logs(settings: LogSettings) -> LogLines:
    """Sends all logs to stderr, those of libraries included: stdout is for output that programs read.

    The result counts lines that were lost, and `close` writes those that wait.
    """
    lines = LogLines(sys.stderr)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            EventLimit(lambda: lines.lose(SUPPRESSED)),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _frames_of_error,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    atexit.register(lines.close)
    return lines


def log_level() -> str:
    """The least severe level that is logged, as in `log.level`."""
    level = logging.getLevelName(structlog.get_logger().get_effective_level())
    return str(level).lower() if level != "NOTSET" else "debug"


def set_log_level(level: str) -> str:
    """Changes the least severe level that is logged, for all of gifcue's loggers; returns the one before.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in LEVELS:
        raise ConfigError(f"level: expected one of {', '.join(LEVELS)}, got {level[:20]!r}")
    before = log_level()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())))
    return before


def frames_of(error: BaseException) -> str:
    """The type and stack of an error, and of those that caused it; no messages."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(type(seen).__name__)
        for frame in traceback.extract_tb(seen.__traceback__):
            lines.append(f"  {frame.filename}:{frame.lineno} {frame.name}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(lines)


def _frames_of_error(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["exception"] = frames_of(error)
    return event


class _LibraryHandler(logging.Handler):
    """Logs of asyncio, gRPC and aiohttp: the library, the place and the error. Their texts may quote personal data."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno,
            "message of a library",
            library=record.name,
            place=f"{record.module}:{record.lineno}",
            **({} if error is None else {"exception": frames_of(error)}),
        )
