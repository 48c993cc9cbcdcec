"""Malformed HTTP is the caller's fault, costs nothing else, and never reaches a disk."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gifcue.server.lifecycle import Server
from tests.support.waiting import TIMEOUT_S, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUNDARY = "boundary"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
IMG = 'form-data; name="img"'


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


def part(disposition: str, body: bytes = b"x", extra: str = "") -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{extra}\r\n".encode() + body + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (part(f"{IMG}; x={'y' * 20_000}") + END, 400, "multipart"),
        (part('form-data; name="_charset_"', b"no-such") + part(IMG, b"text") + END, 400, "multipart"),
        (part('form-data; name="_charset_"', b"x" * 40) + part(IMG, b"text") + END, 400, "charset"),
        (part(IMG, b"text", "Content-Transfer-Encoding: base64\r\n") + END, 400, "transfer encoding base64"),
        (part('form-data; name="other"') * 20 + END, 400, "more than 16 fields"),
        (part('form-data; name="other"') + END, 400, "got none"),
        (part(IMG, bytes(3 * 1024 * 1024)) + END, 413, "at most"),
        (b"no multipart at all", 400, "multipart"),
    ],
    ids=[
        "huge header",
        "charset",
        "long charset",
        "base64",
        "many fields",
        "no img",
        "too large",
        "no multipart",
    ],
)
async def test_malformed_forms_are_refused(server: Server, body: bytes, status: int, says: str) -> None:
    url = f"http://127.0.0.1:{server.http_port}/annotations"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(body), headers=HEADERS) as response,
    ):
        assert response.status == status
        assert says in (await response.json())["error"]


async def test_an_upload_of_unknown_length_is_bounded(server: Server) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield part(IMG, b"")[:-2]
        for _ in range(64):
            yield bytes(64 * 1024)

    url = f"http://127.0.0.1:{server.http_port}/annotations"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body(), headers=HEADERS) as response,
    ):
        assert response.status == 413


async def test_a_path_with_a_long_name_is_not_found(server: Server) -> None:
    url = f"http://127.0.0.1:{server.http_port}/gifs/{'a' * 5000}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 404


def files_open_for_writing() -> set[str]:
    """Regular files, deleted ones too, that this process, which is the server's, has open for writing."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            path = str(descriptor.readlink())
            info = Path(f"/proc/self/fdinfo/{descriptor.name}").read_text()
        except OSError:  # the descriptor of this very listing
            continue
        flags = int(info.split("flags:")[1].split()[0], 8)
        is_file = path.startswith("/") and not path.startswith(("/dev/", "/proc/", "/memfd:"))
        if is_file and flags & (os.O_WRONLY | os.O_RDWR):
            found.add(path)
    return found


async def test_a_large_upload_reaches_no_file(server: Server) -> None:
    before = files_open_for_writing()
    seen: set[str] = set()

    async def body() -> AsyncIterator[bytes]:
        yield part(IMG, b"")[:-2]
        for _ in range(24):
            yield bytes(64 * 1024)
            seen.update(files_open_for_writing())
        yield b"\r\n" + END

    url = f"http://127.0.0.1:{server.http_port}/annotations"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body(), headers=HEADERS) as response,
    ):
        assert response.status == 400
    assert seen - before == set()


async def post(server: Server, body: bytes, **headers: str) -> tuple[int, str, str | None]:
    """Status, error and Retry-After of an upload."""
    url = f"http://127.0.0.1:{server.http_port}/annotations"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(body), headers={**HEADERS, **headers}) as response,
    ):
        return response.status, (await response.json())["error"], response.headers.get("Retry-After")


async def test_a_packed_body_is_not_unpacked(server: Server) -> None:
    status, error, _ = await post(server, gzip.compress(part(IMG) + END), **{"Content-Encoding": "gzip"})
    assert (status, error) == (415, "expected a body without Content-Encoding, got gzip")


async def test_without_a_place_a_still_is_refused_before_its_body_is_read(server: Server) -> None:
    places = [server.engine.enter_still(f"caller-{number}", 1) for number in range(32)]
    try:
        assert await post(server, part(IMG, b"text") + END) == (
            503,
            "expected at most 32 stills at once",
            "1",
        )
    finally:
        for place in places:
            place.close()


async def test_one_caller_with_too_many_stills_is_told_so(server: Server) -> None:
    places = [server.engine.enter_still("peer 127.0.0.1", 1) for _ in range(16)]
    try:
        status, error, retry_after = await post(server, part(IMG, b"text") + END)
        assert (status, retry_after) == (429, "1")
        assert "of one caller" in error
    finally:
        for place in places:
            place.close()


async def test_a_caller_that_goes_away_frees_its_place(server: Server) -> None:
    def places() -> int:
        return server.engine.statistics().stills.places

    _, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    head = f"POST /annotations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {HEADERS['Content-Type']}\r\n"
    writer.write(f"{head}Content-Length: 100000\r\n\r\n".encode() + part(IMG, bytes(1000)))
    await until(lambda: places() == 1)
    writer.close()
    await until(lambda: places() == 0)


async def test_a_body_that_stops_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue.server.http_stills._GRACE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    head = f"POST /annotations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {HEADERS['Content-Type']}\r\n"
    writer.write(f"{head}Content-Length: 100000\r\n\r\n".encode() + part(IMG, bytes(1000)))
    answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"at least 65536 bytes a second" in answer
    assert server.engine.statistics().stills.places == 0
    writer.close()
