"""The bounds on connections of a port for HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from gifcue.access.peers import TrustedProxies
from gifcue.server import http_connections
from gifcue.server.http_connections import BoundedConnection, ConnectionCounts, bounded_runner
from tests.support.waiting import TIMEOUT_S, until

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Port:
    """A port with an application that answers every request."""

    def __init__(self, most: int) -> None:
        self.counts = ConnectionCounts(most, TrustedProxies([]))
        self.number = 0
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        application = web.Application()
        application.router.add_get("/", self._answer)
        runner = self._runner = bounded_runner(application)
        await runner.setup()
        serve = runner.server
        assert serve is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: BoundedConnection(serve, self.counts, tls), "127.0.0.1", 0
        )
        self.number = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(text="answered")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.number)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Port]]:
    ports: list[Port] = []

    def make(most: int) -> Port:
        ports.append(Port(most))
        return ports[-1]

    yield make
    for port in ports:
        await port.stop()


async def read(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end of the connection."""
    return await asyncio.wait_for(reader.read(), TIMEOUT_S)


async def test_a_connection_too_many_is_told_to_come_back(make) -> None:
    port = make(4)
    await port.start()
    held = [await port.connect() for _ in range(2)]
    await until(lambda: port.counts.open == 2)
    reader, writer = await port.connect()
    assert await read(reader) == http_connections._REFUSED
    assert (port.counts.open, port.counts.refused) == (2, {"too_many_of_peer": 1})
    held[0][1].close()
    await until(lambda: port.counts.open == 1)
    reader, again = await port.connect()
    again.write(REQUEST)
    assert (await asyncio.wait_for(reader.readline(), TIMEOUT_S)) == b"HTTP/1.1 200 OK\r\n"
    for each in (held[1][1], writer, again):
        each.close()
    await until(lambda: port.counts.open == 0)


async def test_a_request_that_is_never_finished_is_closed(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "IDLE_S", 0.05)
    port = make(100)
    await port.start()
    for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"):
        reader, writer = await port.connect()
        writer.write(beginning)
        assert await read(reader) == b""
        writer.close()
    reader, writer = await port.connect()
    writer.write(REQUEST)
    assert (await read(reader)).endswith(b"answered")
    writer.close()
    await until(lambda: port.counts.open == 0)


async def test_a_handshake_that_never_comes_counts_and_is_closed(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "HANDSHAKE_S", 0.2)
    port = make(2)
    await port.start(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    reader, writer = await port.connect()
    await until(lambda: port.counts.open == 1)
    refused, other = await port.connect()
    assert await read(refused) == b""
    assert port.counts.refused == {"too_many_of_peer": 1}
    assert await read(reader) == b""
    await until(lambda: port.counts.open == 0)
    for each in (writer, other):
        each.close()


def test_a_trusted_proxy_may_have_all_connections() -> None:
    counts = ConnectionCounts(4, TrustedProxies(["192.0.2.1"]))
    assert None not in [counts.enter("192.0.2.1") for _ in range(4)]
    assert counts.enter("192.0.2.1") is None
    assert counts.refused == {"too_many": 1}


def test_ports_of_one_ipv6_network_are_one_peer() -> None:
    counts = ConnectionCounts(4, TrustedProxies([]))
    keys = [counts.enter(f"2001:db8::{number}") for number in range(3)]
    assert keys[:2] == ["peer 2001:db8::/64"] * 2
    assert keys[2] is None
    counts.leave("peer 2001:db8::/64")
    assert counts.open == 1
