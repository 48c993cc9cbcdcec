"""What a client does to gRPC and HTTP/2 themselves."""

from __future__ import annotations

import asyncio
import contextlib
import random

import h2.exceptions

from gifcue.v1 import reaction_service_pb2
from tests.chaos.attacks.attack import Attack
from tests.chaos.clip import own_clip
from tests.chaos.payloads import images
from tests.chaos.raw_http2 import (
    ANNOTATE_IMAGE,
    STREAM_REACTIONS,
    WATCH_HEALTH,
    closed_window,
    prefixed,
    raw_connection,
)
from tests.chaos.server import Server
from tests.chaos.streams import Request, frame, join

CONFIG = Request(config=reaction_service_pb2.StreamConfig(room_id="chaos", client_name="raw"))
# What a hand-made client may get from a server that defends itself.
BROKEN = (OSError, h2.exceptions.ProtocolError, asyncio.IncompleteReadError)


async def compressed_bomb(server: Server, chance: random.Random) -> None:
    """Messages of 2 MB that unpack to 2 GB."""
    packed = await asyncio.to_thread(_packed_zeros)
    for _ in range(3):
        with contextlib.suppress(*BROKEN):
            async with raw_connection(server.target) as raw:
                call = raw.call(ANNOTATE_IMAGE, ("grpc-encoding", "gzip"))
                await raw.send_data(call, prefixed(packed, compressed=True))
                await raw.until_ended(3.0)


def _packed_zeros() -> bytes:
    return images.packed_zeros(2000, b"")


async def rapid_resets(server: Server, chance: random.Random) -> None:
    """20,000 calls, each reset as soon as it was begun."""
    for _ in range(20):
        with contextlib.suppress(*BROKEN):
            async with raw_connection(server.target) as raw:
                for number in range(1000):
                    raw.reset(raw.call(STREAM_REACTIONS))
                    if number % 50 == 0:
                        await raw.flush()
                await raw.flush()


async def calls_without_messages(server: Server, chance: random.Random) -> None:
    """20,000 calls that never send their message, on 20 connections."""
    await _open_calls(server, ANNOTATE_IMAGE, b"")


async def health_watchers(server: Server, chance: random.Random) -> None:
    """20,000 watches of the server's health, on 20 connections."""
    await _open_calls(server, WATCH_HEALTH, prefixed(b""))


async def streams_without_configuration(server: Server, chance: random.Random) -> None:
    """900 streams that never send their configuration."""
    await _open_calls(server, STREAM_REACTIONS, b"", connections=9, calls=100)


async def _open_calls(
    server: Server, path: str, data: bytes, *, connections: int = 20, calls: int = 1000
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(connections):
            with contextlib.suppress(*BROKEN):
                raw = await stack.enter_async_context(raw_connection(server.target))
                for number in range(calls):
                    call = raw.call(path)
                    if data:
                        raw.connection.send_data(call, data, end_stream=True)
                    if number % 50 == 0:
                        await raw.flush()
                        await asyncio.sleep(0.0)
                await raw.flush()
        await asyncio.sleep(5.0)


async def cut_messages(server: Server, chance: random.Random) -> None:
    """200 streams of real video, each cut within a message by a reset or a half-closed connection, or a reset call."""
    packets = own_clip().packets
    for _ in range(200):
        with contextlib.suppress(*BROKEN):
            async with raw_connection(server.target) as raw:
                call = raw.call(STREAM_REACTIONS)
                messages = [
                    CONFIG,
                    join("culprit", "H264", own_clip().extradata),
                    *(
                        Request(frame=frame("culprit", at, at * 3000, packets[at].payload, keyframe=at == 0))
                        for at in range(8)
                    ),
                ]
                data = b"".join(prefixed(each.SerializeToString()) for each in messages)
                await raw.send_data(call, data[: chance.randrange(1, len(data))])
                match chance.randrange(3):
                    case 0:
                        raw.break_off()
                    case 1:
                        raw.half_close()
                    case _:
                        raw.reset(call)
                        await raw.flush()


async def closed_windows(server: Server, chance: random.Random) -> None:
    """30 streams whose client opens no window and asks for answers that cannot be sent."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(30):
            client = await stack.enter_async_context(closed_window(server.target))
            await client.ask_statistics(2000)
        await asyncio.sleep(3.0)


async def pings(server: Server, chance: random.Random) -> None:
    """A million PINGs."""
    for _ in range(50):
        with contextlib.suppress(*BROKEN):
            async with raw_connection(server.target) as raw:
                for _ in range(200):
                    for _ in range(100):
                        raw.connection.ping(b"gifcue!!")
                    await raw.flush()


async def large_headers(server: Server, chance: random.Random) -> None:
    """500 calls with 64 kB of metadata each, none of which ends."""
    value = "m" * 8000
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            with contextlib.suppress(*BROKEN):
                raw = await stack.enter_async_context(raw_connection(server.target))
                for _ in range(100):
                    raw.call(ANNOTATE_IMAGE, *((f"x-{number}", value) for number in range(8)))
                    await raw.flush()
        await asyncio.sleep(3.0)


ATTACKS = (
    Attack("grpc-gzip-bomb", "messages that unpack to 2 GB", compressed_bomb),
    Attack("rapid-resets", "20,000 calls that are reset at once", rapid_resets),
    Attack("calls-without-messages", "20,000 calls that never send their message", calls_without_messages),
    Attack("health-watchers", "20,000 watches of the health", health_watchers),
    Attack("silent-streams", "900 streams without configuration", streams_without_configuration),
    Attack("cut-messages", "connections that are cut within a message", cut_messages),
    Attack("closed-windows", "30 streams that nobody reads", closed_windows),
    Attack("ping-flood", "a million PINGs", pings),
    Attack("large-metadata", "calls with 64 kB of metadata", large_headers),
)
