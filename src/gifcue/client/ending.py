"""The status that ended a call, as the server gave it.

grpc.aio overwrites a status that has come with INTERNAL when a write fails because the call has just ended
(grpc issue 36066): a server that drains while a client sends would look as if it had crashed. So the status
is noted in the moment it comes, before the failed write is told.
"""

from __future__ import annotations

from typing import Any

import grpc

from gifcue.client.exceptions import ServerError, ServerUnavailable, error_of

# What grpc.aio makes of a failed write. No server says it.
WRITE_FAILED = "Internal error from Core"


class Ending:
    """Watches one call of grpc.aio."""

    def __init__(self, call: Any) -> None:
        self._statuses: list[tuple[grpc.StatusCode, str]] = []
        call.add_done_callback(self._note)

    def error(self, code: grpc.StatusCode, details: str | None) -> ServerError | None:
        """What ended the call, `code` and `details` being what grpc.aio says now; None for OK."""
        for noted_code, noted_details in (*self._statuses, (code, details or "")):
            if not _is_failed_write(noted_code, noted_details):
                return None if noted_code is grpc.StatusCode.OK else error_of(noted_code, noted_details)
        return ServerUnavailable("UNAVAILABLE", "the call ended while this side was sending")

    def _note(self, call: Any) -> None:
        status = (_now(call.code()), _now(call.details()) or "")
        self._statuses.append(status)


def _is_failed_write(code: grpc.StatusCode, details: str) -> bool:
    return code is grpc.StatusCode.INTERNAL and WRITE_FAILED in details


def _now(coroutine: Any) -> Any:
    """The result of a coroutine that has nothing to wait for, as of a call that is done."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("expected a call that is done, got one whose status is still to come")
