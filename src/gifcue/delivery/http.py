"""One POST, and whether any of it may have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from gifcue.delivery.sink import Answer, Verdict

# Statuses that say "not done, later perhaps". A proxy's 502 and 504 say nothing about what the receiver did.
_BUSY = frozenset({408, 425, 429, 500, 503})
_PROXY_DOES_NOT_KNOW = frozenset({502, 504})
_MAX_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Status:
    """An HTTP status; `wait_s` is the Retry-After in seconds, 0 without one."""

    code: int
    wait_s: float = 0.0

    def general(self) -> Answer | None:
        """What the status says to every sink; None where it depends on the sink."""
        if 200 <= self.code < 300:
            return Answer(Verdict.DELIVERED)
        if self.code in _BUSY:
            return Answer(Verdict.BUSY, wait_s=self.wait_s)
        return Answer(Verdict.LOST) if self.code in _PROXY_DOES_NOT_KNOW else None


class Poster:
    """Owns the connections of one sink.

    Every request has a connection of its own. A kept one may be closed by the receiver just as a request goes out;
    that cannot be told from a receiver that died with the request in its hands.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: URL, body: bytes, headers: Mapping[str, str], begun: Callable[[], None]
    ) -> Status | None:
        """The status, or None where none came. `begun` is called once there is a connection, before anything is sent.

        Follows no redirects: a signature is for one receiver.
        """
        try:
            async with self._open().post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=begun
            ) as response:
                return Status(response.status, _wait_s(response.headers.get("Retry-After")))
        except (aiohttp.ClientError, OSError):
            # Not told further: what these say may hold the address, and so an access key.
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_connected)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # the courier's clock decides
                trace_configs=[trace],
            )
        return self._session


async def _connected(session: aiohttp.ClientSession, context: SimpleNamespace, parameters: Any) -> None:
    context.trace_request_ctx()


def _wait_s(header: str | None) -> float:
    """Seconds only: a date would need a clock that the receiver shares."""
    return min(float(header), _MAX_WAIT_S) if header is not None and header.isdecimal() else 0.0
