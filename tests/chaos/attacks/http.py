"""What an anonymous caller does to the HTTP port."""

from __future__ import annotations

import asyncio
import contextlib
import random

import aiohttp

from tests.chaos.attacks.attack import Attack
from tests.chaos.payloads import images
from tests.chaos.server import Server

HALF_OPEN = 470
HEAD = (
    "POST /annotations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=chaos\r\n"
)
PART = b"--chaos\r\nContent-Disposition: form-data; name=img; filename=a.jpg\r\n\r\n"
END = b"\r\n--chaos--\r\n"
# Beginnings of requests that never go on.
BEGINNINGS = (
    b"",
    b"GET /ready",
    b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    f"{HEAD}Content-Length: 1000000\r\n\r\n".encode() + PART + bytes(1000),
    f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + b"10\r\n" + PART[:16],
)


async def half_open(server: Server, chance: random.Random) -> None:
    """470 connections with requests that are never finished, held for 15 s."""
    writers = await open_half(server, HALF_OPEN, chance)
    await asyncio.sleep(15.0)
    close_all(writers)


async def open_half(server: Server, count: int, chance: random.Random) -> list[asyncio.StreamWriter]:
    """Connections, each with the beginning of a request; fewer where the server refuses."""
    host, port = server.http_address
    writers = []
    for _ in range(count):
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
            writer.write(chance.choice(BEGINNINGS))
            await writer.drain()
            writers.append(writer)
        except (OSError, TimeoutError):
            server.answers["http connection refused"] += 1
    return writers


def close_all(writers: list[asyncio.StreamWriter]) -> None:
    """Ends all connections."""
    for writer in writers:
        writer.close()


async def packed_body(server: Server, chance: random.Random) -> None:
    """Bodies of 2 MB that unpack to 2 GB (Content-Encoding: gzip)."""
    body = await asyncio.to_thread(images.packed_zeros, 2000, PART)
    headers = {
        "Content-Type": "multipart/form-data; boundary=chaos",
        "Content-Encoding": "gzip",
    }
    for _ in range(3):
        await _post(server, body, headers)


async def slow_bodies(server: Server, chance: random.Random) -> None:
    """100 uploads of one byte at a time."""

    async def body() -> object:
        yield PART
        for _ in range(100):
            yield b"x"
            await asyncio.sleep(0.1)
        yield END

    headers = {"Content-Type": "multipart/form-data; boundary=chaos"}
    await asyncio.gather(*(_post(server, body(), headers) for _ in range(100)))


async def uploads(server: Server, chance: random.Random) -> None:
    """400 uploads of 1.5 MB at once."""
    image = await asyncio.to_thread(images.padded_jpeg)
    headers = {"Content-Type": "multipart/form-data; boundary=chaos"}
    await asyncio.gather(*(_post(server, PART + image + END, headers) for _ in range(400)))


async def gets(server: Server, chance: random.Random) -> None:
    """Requests for everything that is served, on 20 connections without a pause, for 6 s."""
    paths = (
        "/metrics",
        "/healthz",
        "/readyz",
        "/gifs/smile_1.gif",
        "/gifs/..%2f..%2fetc%2fpasswd",
        "/nothing",
    )

    async def ask() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(server.http + chance.choice(paths)) as answer:
                        server.answers[f"http {answer.status}"] += 1
                        await answer.read()

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(6.0):
            await asyncio.gather(*(ask() for _ in range(20)))


async def _post(server: Server, body: object, headers: dict[str, str]) -> None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20.0)) as session,
            session.post(server.http + "/annotations", data=body, headers=headers) as answer,
        ):
            server.answers[f"http {answer.status}"] += 1
            await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        server.answers["http no answer"] += 1


ATTACKS = (
    Attack("half-open-requests", "470 requests that are never finished", half_open),
    Attack("http-gzip-bomb", "bodies that unpack to 2 GB", packed_body),
    Attack("slow-uploads", "100 uploads of a byte at a time", slow_bodies),
    Attack("many-uploads", "400 uploads of 1.5 MB at once", uploads),
    Attack("http-flood", "requests on 20 connections without a pause", gets),
)
