"""What an anonymous caller does to the WebSocket endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from gifcue.v1 import media_pb2, reaction_service_pb2
from tests.chaos.attacks.attack import Attack
from tests.chaos.server import Server
from tests.chaos.streams import Request
from tests.support.silent_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    SilentWebSocket,
    frame,
    silent_websocket,
)

CONFIG = Request(config=reaction_service_pb2.StreamConfig(room_id="chaos", client_name="raw"))
STATISTICS = frame(Request(statistics=reaction_service_pb2.StatisticsRequest()).SerializeToString(), BINARY)
HALF_MESSAGES = 300
HALF_BYTES = 2_000_000


async def no_read(server: Server, chance: random.Random) -> None:
    """30 WebSockets that ask for answers and provoke faults, and read nothing."""
    ghosts = [media_pb2.Frame(participant_id="x" * 128)] * 500
    faults = frame(Request(frames=reaction_service_pb2.Frames(frames=ghosts)).SerializeToString())

    async def attack(client: SilentWebSocket) -> None:
        await client.send_raw(faults * 10 + STATISTICS * 2000)

    async with _many(server, 30, attack):
        await asyncio.sleep(15.0)


async def half_messages(server: Server, chance: random.Random) -> None:
    """300 WebSockets that each send most of a message of 2 MB, 600 MB together, and wait."""
    half = frame(bytes(HALF_BYTES))[: HALF_BYTES - 1000]

    async def attack(client: SilentWebSocket) -> None:
        await client.send_raw(half)

    async with _many(server, HALF_MESSAGES, attack):
        await asyncio.sleep(10.0)


async def floods(server: Server, chance: random.Random) -> None:
    """Pings, empty fragments and empty updates of nobody, on 20 WebSockets without a pause."""
    speaking = Request(participant=reaction_service_pb2.ParticipantUpdate(participant_id="x", speaking={}))  # type: ignore[arg-type]
    kinds = (
        frame(b"", PING) * 10_000,
        frame(b"", last=False) + frame(b"", CONTINUATION, last=False) * 40_000,
        frame(speaking.SerializeToString()) * 10_000,
    )

    async def attack(client: SilentWebSocket) -> None:
        for _ in range(10):
            await client.send_raw(chance.choice(kinds))

    async with _many(server, 20, attack):
        pass


@contextlib.asynccontextmanager
async def _many(
    server: Server, count: int, attack: Callable[[SilentWebSocket], Awaitable[None]]
) -> AsyncIterator[None]:
    """WebSockets that all attack at once; they stay open in the block."""
    _, port = server.http_address
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for _ in range(count):
            try:
                client = await stack.enter_async_context(silent_websocket(port))
                await client.send(CONFIG)
                clients.append(client)
            except (OSError, asyncio.IncompleteReadError):
                server.answers["websocket refused"] += 1

        async def one(client: SilentWebSocket) -> None:
            try:
                async with asyncio.timeout(20.0):
                    await attack(client)
            except (OSError, TimeoutError):
                server.answers["websocket cut off"] += 1

        await asyncio.gather(*(one(client) for client in clients))
        yield


ATTACKS = (
    Attack("websocket-no-read", "30 WebSockets that ask for answers and read nothing", no_read),
    Attack("websocket-half-messages", "300 WebSockets with most of a message each", half_messages),
    Attack("websocket-floods", "pings, fragments and updates without a pause", floods),
)
