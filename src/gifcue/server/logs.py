"""Structured logs: an event, its fields, and nothing personal. Sessions are named by their random id alone."""

from __future__ import annotations

import logging
import sys

import structlog

from gifcue.server.settings import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Sends logs to stderr, so that stdout stays free for what programs read."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
