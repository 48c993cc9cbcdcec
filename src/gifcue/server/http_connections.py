"""Connections of a port for HTTP: how many, how many of one peer, and for how long without a request.

A connection over the bounds is refused when it is accepted, before anything is read of it, TLS handshakes included. A
connection that waits for a request, begun or not, is closed after `IDLE_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from gifcue.access.peers import Peer, TrustedProxies, parse_address
from gifcue.server.unread import Meter, UnreadBytes

# Seconds for the head of a request, counted from the connection's start or from the answer before.
IDLE_S = 10.0
HANDSHAKE_S = 5.0
# Seconds for which a body that nobody wants is read and discarded. Otherwise a client that still writes would get a
# reset instead of its answer.
LINGER_S = 2.0
# The request line, one header field, and the number of fields.
MAX_LINE_BYTES = 8190
MAX_FIELD_BYTES = 8190
MAX_FIELDS = 64
# Seconds that requests in work may take when the port closes.
_SHUTDOWN_S = 0.5

_REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


class ConnectionCounts:
    """Counts connections. At most `most` are open, of which one peer has at most half; trusted proxies may have all."""

    def __init__(self, most: int, proxies: TrustedProxies) -> None:
        self.most = most
        self._most_of_a_peer = max(1, most // 2)
        self._proxies = proxies
        self._peers: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.unread = UnreadBytes(on_cut=lambda: self._refused.update(("unread_bytes",)))

    @property
    def open(self) -> int:
        """Connections at the moment."""
        return self._peers.total()

    @property
    def refused(self) -> Mapping[str, int]:
        """Connections refused since the start, by reason; `unread_bytes` stands for those that were cut off later."""
        return self._refused

    def enter(self, host: str) -> str | None:
        """Counts a connection from the address `host`; returns the key to leave with, None where it is refused."""
        address = parse_address(host)
        key = Peer(address).key
        if self.open >= self.most:
            self._refused["too_many"] += 1
            return None
        is_proxy = address is not None and self._proxies.trusts(address)
        if self._peers[key] >= self._most_of_a_peer and not is_proxy:
            self._refused["too_many_of_peer"] += 1
            return None
        self._peers[key] += 1
        return key

    def leave(self, key: str) -> None:
        """A connection that was counted has ended."""
        self._peers[key] -= 1
        if not self._peers[key]:
            del self._peers[key]


def bounded_runner(application: web.Application) -> web.AppRunner:
    """A runner whose connections do not wait for ever and whose requests are bounded."""
    return web.AppRunner(
        application,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_S,
        # A caller that has gone frees what its request holds.
        handler_cancellation=True,
        keepalive_timeout=IDLE_S,
        lingering_time=LINGER_S,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        max_headers=MAX_FIELDS,
        # A packed body unpacks to a thousand times its size.
        auto_decompress=False,
    )


class BoundedConnection(asyncio.Protocol):
    """Stands before the protocol that serves a connection, and counts it. `tls` is None for a connection without."""

    def __init__(
        self,
        serve: Callable[[], asyncio.Protocol],
        counts: ConnectionCounts,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._serve = serve
        self._counts = counts
        self._tls = tls
        self._key: str | None = None
        self._inner: asyncio.Protocol | None = None
        self._handshake: asyncio.Task[None] | None = None
        # What came with the end of the handshake, before the task of the handshake ran again. It is what one read of
        # the socket gave, 256 KiB at most.
        self._early = b""
        # Bytes of the last read that was passed on.
        self._last_read = 0
        # Set once the connection has become a WebSocket.
        self.meter: Meter | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serves the connection, or closes it."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._key = self._counts.enter(peer[0] if isinstance(peer, tuple) else "")
        if self._key is None:
            if self._tls is None:
                transport.write(_REFUSED)
                transport.close()
            else:
                transport.abort()
        elif self._tls is None:
            self._begin(transport)
        else:
            transport.pause_reading()  # what comes now is for the handshake
            self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(transport, self._tls))

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        if self._key is not None:
            self._counts.leave(self._key)
            self._key = None
        if self.meter is not None:
            self.meter.close()
        if self._inner is not None:
            self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Passes data on; of a refused connection none is read."""
        if self._inner is not None:
            self._pass_on(data)
        elif self._handshake is not None and self._key is not None:
            self._early += data

    def eof_received(self) -> bool | None:
        """Passes the end of the peer's data on."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """The peer does not read."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        if self._inner is not None:
            self._inner.resume_writing()

    def measure(self, transport: asyncio.Transport) -> Meter:
        """Counts from now on what the peer sends, as that of a WebSocket.

        The last read had the end of the handshake, and may have had messages behind it. It counts as a whole until the
        connection is first waited for.
        """
        self.meter = self._counts.unread.meter(transport.abort)
        self.meter.add(self._last_read)
        return self.meter

    def _begin(self, transport: asyncio.Transport) -> None:
        self._inner = self._serve()
        self._inner.connection_made(transport)
        early, self._early = self._early, b""
        if early:
            self._pass_on(early)

    def _pass_on(self, data: bytes) -> None:
        assert self._inner is not None
        self._last_read = len(data)
        if self.meter is not None:
            self.meter.add(len(data))
        self._inner.data_received(data)

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        upgraded: Any = None
        # Whatever a peer sends instead of a handshake is its own affair; the connection is closed.
        with contextlib.suppress(OSError):
            upgraded = await asyncio.get_running_loop().start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        if upgraded is None:
            transport.abort()
            self.connection_lost(None)
        elif self._key is not None:  # the peer has not gone meanwhile
            self._begin(upgraded)
