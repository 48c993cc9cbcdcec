"""Who makes the call that the present task serves, and in which trace.

The transports set it; the code that serves a call reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from gifcue.access.control import Caller, StreamAccess
from gifcue.access.peers import Peer

# None where a servicer runs without access control, as in a test of its own.
caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
# The rights of the stream, for calls that open one.
stream_access: ContextVar[StreamAccess | None] = ContextVar("stream_access", default=None)
# The caller's trace (`tracing.trace_context`).
trace: ContextVar[Mapping[str, str]] = ContextVar("trace", default={})  # noqa: B039  never changed


def caller_key() -> str:
    """What limits for one caller count by."""
    present = caller.get()
    return Peer(None).key if present is None else present.key
