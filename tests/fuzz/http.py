"""Mutated HTTP requests on plain sockets."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

from tests.chaos.attacks.http import END, PART
from tests.chaos.server import Server
from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import blind
from tests.fuzz.tally import Tally

REQUESTS = 24
_OFFER = (Path(__file__).parents[1] / "ingest/webrtc/chromium-offer.sdp").read_bytes()
# A request that says of itself that more comes is ended by this side after a moment; a whole one is answered.
READ_S = 0.5
_PATHS = (
    "/metrics", "/healthz", "/readyz", "/gifs/smile_1.gif", "/gifs/", "/gifs/../book.yaml", "/gifs/%00", "/annotations",
    "/gifs/" + "a" * 300, "/" + "a/" * 500, "/%", "*", "http://chaos/readyz", "//", "/annotations?x=1#y",
)  # fmt: skip
_METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "G" * 300, "get", "")
_HEADERS = (
    "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: deflate",
    "Expect: 100-continue", "Expect: nothing", "Connection: close", "Connection: upgrade", "Upgrade: websocket",
    "Range: bytes=0-", "Range: bytes=5-1", "Range: bytes=-99999999", "If-Modified-Since: never", "Host:",
    "Host: a\x0bb",
    "Cookie: " + "c" * 9000, "Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary=",
    "Content-Type: multipart/form-data; boundary=chaos", "Content-Type: multipart/mixed; boundary=" + "b" * 300,
    "Content-Type: multipart/form-data; boundary*=utf-8''%00", "X: " + "x" * 100_000,
)  # fmt: skip
_PART_HEADERS = (
    b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Content-Length: 3",
    b"Content-Encoding: gzip", b"Content-Type: multipart/mixed; boundary=x", b"Content-Disposition: form-data",
    b"Content-Disposition: form-data; name*=utf-16''%fe%ff", b"X: " + b"x" * 20_000, b"\xff\xfe: \x00",
)  # fmt: skip


async def batch(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    """Each request on a connection of its own, several at the same time."""
    requests = [_request(chance) for _ in range(REQUESTS)]
    await asyncio.gather(*(_ask(server, request, number, tally) for request in requests))


def _request(chance: random.Random) -> bytes:
    if chance.random() < 0.25:
        return _offer(chance)
    body = _body(chance)
    method = chance.choice(("POST", "GET", chance.choice(_METHODS)))
    path = chance.choice(("/annotations", chance.choice(_PATHS)))
    headers = ["Host: 127.0.0.1"] if chance.random() < 0.95 else []
    if chance.random() < 0.7:
        headers += ["Content-Type: multipart/form-data; boundary=chaos"]
    if chance.random() < 0.7:
        headers += [f"Content-Length: {len(body)}"]
    headers += [chance.choice(_HEADERS) for _ in range(chance.choice((0, 0, 1, 3)))]
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""))
    request = "\r\n".join([f"{method} {path} {version}", *headers, "", ""]).encode("latin-1") + body
    return blind(request, (), chance) if chance.random() < 0.4 else request


def _offer(chance: random.Random) -> bytes:
    """An offer of WHIP, mostly mutated. One that is answered is a session, which ends because nobody connects."""
    offer = _OFFER if chance.random() < 0.1 else blind(_OFFER, (), chance)
    name = chance.choice(("a", "%00", "%2F..", "b" * 300, "ü"))
    query = chance.choice(("?labels=smile", "?labels=", "?labels=%FF&labels=smile,,", ""))
    method = chance.choice(("POST", "POST", "POST", "OPTIONS", "GET", "PATCH", "DELETE"))
    path = f"/whip/room/{name}{query}" if chance.random() < 0.9 else f"/whip/{name}/x/{name}"
    length = chance.choice((len(offer), len(offer), len(offer), 10, 10**7))
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"
    return (head + f"Content-Length: {length}\r\n\r\n").encode() + offer


def _body(chance: random.Random) -> bytes:
    part = PART
    if chance.random() < 0.4:
        part = part.replace(b"\r\n\r\n", b"\r\n" + chance.choice(_PART_HEADERS) + b"\r\n\r\n")
    body = part + chance.choice(corpus()).units[0] + END
    match chance.randrange(6):
        case 0:
            return blind(body, (), chance)
        case 1:
            return part * chance.choice((2, 20)) + END
        case 2:
            name = b"--chaos\r\nContent-Disposition: form-data; name=_charset_\r\n\r\nutf-99\r\n"
            return name + body
        case 3:
            return b""
        case _:
            return body


async def _ask(server: Server, request: bytes, number: int, tally: Tally) -> None:
    answer = b""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*server.http_address), 10.0)
    except (OSError, TimeoutError) as error:
        tally.defect(f"expected a connection, got {type(error).__name__}", "http", number)
        return
    try:
        writer.write(request)
        await asyncio.wait_for(writer.drain(), READ_S)
        answer = await asyncio.wait_for(reader.read(65536), READ_S)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.close()
    tally.packets["http"] += 1
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", answer) or [b"none"]
    tally.outcomes[f"http {statuses[0].decode()}"] += 1
    for status in statuses:
        # 505 says that the version is not supported, 503 that stills wait.
        if status.startswith(b"5") and status not in (b"503", b"505"):
            tally.defect(f"a request was answered with {status.decode()}: {request[:80]!r}", "http", number)
