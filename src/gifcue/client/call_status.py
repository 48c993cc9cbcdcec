"""The status that ended a call, as the server sent it.

grpc.aio overwrites a status that has arrived with INTERNAL when a write fails because the call has just ended (grpc
issue 36066). A server that drains while a client sends would then look as if it had crashed. So the status is recorded
the moment it arrives, before the failed write is reported.
"""

from __future__ import annotations

from typing import Any

import grpc

from gifcue.client.exceptions import ServerError, ServerUnavailable, error_of

# The details that grpc.aio gives a failed write. No server sends them.
WRITE_FAILED = "Internal error from Core"


class CallStatus:
    """Records the status of one grpc.aio call."""

    def __init__(self, call: Any) -> None:
        self._recorded: list[tuple[grpc.StatusCode, str, Any]] = []
        call.add_done_callback(self._record)

    def error(self, code: grpc.StatusCode, details: str | None) -> ServerError | None:
        """The error that ended the call, None for OK. `code` and `details` are what grpc.aio reports at the end."""
        for each_code, each_details, trailing in (*self._recorded, (code, details or "", None)):
            if not _is_failed_write(each_code, each_details):
                return (
                    None if each_code is grpc.StatusCode.OK else error_of(each_code, each_details, trailing)
                )
        return ServerUnavailable("UNAVAILABLE", "the call ended while this side was sending")

    def _record(self, call: Any) -> None:
        self._recorded.append(
            (_result(call.code()), _result(call.details()) or "", _result(call.trailing_metadata()))
        )


def _is_failed_write(code: grpc.StatusCode, details: str) -> bool:
    return code is grpc.StatusCode.INTERNAL and WRITE_FAILED in details


def _result(coroutine: Any) -> Any:
    """The result of a coroutine that does not wait, because its call is done.

    A done callback is no coroutine and cannot await; awaiting later would read the status that a failed write has
    overwritten.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("expected a call that is done, got one whose status is still to come")
