"""Traces of what a server does for its callers. Off by default: then a span is nothing.

No attribute names a room or a person.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import structlog

from gifcue.server.transport import StreamStatus

# The headers of W3C Trace Context, and characters of each that are looked at.
HEADERS = ("traceparent", "tracestate")
_MAX_HEADER = 512
# Seconds in which the last spans are exported, at most.
CLOSE_S = 2.0
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_context(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace context of a call; nothing where it has none that is well formed."""
    context = {name: headers[name] for name in HEADERS if len(headers.get(name, "")) in range(1, _MAX_HEADER)}
    return context if trace_id_of(context) else {}


def trace_id_of(context: Mapping[str, str]) -> str:
    """The trace that a caller is in, 32 digits of 0-9 and a-f; empty where it names none."""
    match = _TRACEPARENT.fullmatch(context.get("traceparent", ""))
    return "" if match is None else match[1]


class StreamSpan:
    """The span of one stream."""

    def end(self, status: StreamStatus, **figures: float) -> None:
        """Says how the stream ended, and its figures."""


class Tracing:
    """Makes no spans. The log lines of a stream still name the trace of its caller."""

    @contextlib.contextmanager
    def stream(self, context: Mapping[str, str], transport: str) -> Iterator[StreamSpan]:
        """The span of a stream whose caller sent `context`, around all that is done for it. It names its trace in the
        log lines of the task and of those that the task starts.
        """
        with self.in_log(trace_id_of(context)):
            yield StreamSpan()

    @contextlib.contextmanager
    def join(self, codec: str) -> Iterator[None]:
        """The span of a join, within that of its stream."""
        yield

    def batch(self, pictures: int, infer_ms: float) -> None:
        """A detector worker has answered a batch, which took it so many milliseconds."""

    @property
    def spans(self) -> Mapping[str, int]:
        """Spans since the start: `started`, and of those sampled `exported` and `failed`."""
        return {}

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Exports what waits. Blocks for `timeout_s` seconds, `CLOSE_S` at most; call it in a thread."""

    @staticmethod
    @contextlib.contextmanager
    def in_log(trace_id: str) -> Iterator[None]:
        """Names the trace in the log lines of the present task."""
        if not trace_id:
            yield
            return
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            yield
