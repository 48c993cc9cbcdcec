"""Sends one POST, and reports whether any of it may have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from gifcue.delivery.sink import AttemptOutcome, AttemptResult

# The receiver did not act on the request, and may do so later.
_BUSY = frozenset({408, 425, 429, 500, 503})
# A proxy's answers, which do not say whether the receiver behind it acted.
_UNKNOWN = frozenset({502, 504})
_MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP status. `retry_after_s` is its Retry-After header, or 0."""

    code: int
    retry_after_s: float = 0.0

    def common_result(self) -> AttemptResult | None:
        """What the status means to every sink. None if its meaning depends on the sink."""
        if 200 <= self.code < 300:
            return AttemptResult(AttemptOutcome.DELIVERED)
        if self.code in _BUSY:
            return AttemptResult(AttemptOutcome.BUSY, retry_after_s=self.retry_after_s)
        return AttemptResult(AttemptOutcome.NO_ANSWER) if self.code in _UNKNOWN else None


class Poster:
    """Owns the connections of one sink. Each request opens a connection of its own.

    A receiver may close an idle connection just as a request leaves on it. That cannot be told from a receiver that
    failed while it handled the request.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: URL, body: bytes, headers: Mapping[str, str], on_sent: Callable[[], None]
    ) -> Status | None:
        """The status, or None if none came. `on_sent` is called when the connection is made, before anything is sent.

        Redirects are not followed, since a signature is meant for one receiver.
        """
        try:
            async with self._open().post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=on_sent
            ) as response:
                return Status(response.status, _retry_after_s(response.headers.get("Retry-After")))
        except (aiohttp.ClientError, OSError):
            # Not logged and not chained: the message may hold the address, and with it an access key.
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_on_connected)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # the delivery queue's timeout applies
                trace_configs=[trace],
            )
        return self._session


async def _on_connected(session: aiohttp.ClientSession, context: SimpleNamespace, parameters: Any) -> None:
    context.trace_request_ctx()


def _retry_after_s(header: str | None) -> float:
    """The header in seconds. Its other form, a date, would need a clock that the receiver shares, and counts as 0."""
    if header is None or not header.isdecimal():
        return 0.0
    return min(float(header), _MAX_RETRY_AFTER_S)
