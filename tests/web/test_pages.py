"""Delivery of the web pages: what is served, with which headers, and that nothing else is."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import socket
from collections.abc import AsyncIterator, Iterable
from types import ModuleType

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from gifcue.v1 import media_pb2, reaction_service_pb2
from gifcue.web.assets import STATIC, read_assets
from gifcue.web.pages import LIVE, TAP, add_pages

GIF_SITE = "https://gifs.example.org"
# Bytes of script of all pages together, as they travel.
MAX_SCRIPT_BYTES = 150_000


@pytest.fixture
async def served() -> AsyncIterator[BaseTestServer]:
    application = web.Application()
    add_pages(application, {**LIVE, **TAP}, lambda: [GIF_SITE])
    async with TestServer(application) as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_a_page_allows_nothing_but_this_server(
    served: BaseTestServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(served.make_url("/live")) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Permissions-Policy"].startswith("camera=(self), microphone=()")
        policy = dict(
            part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";")
        )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == f"'self' blob: {GIF_SITE}"
    assert policy["trusted-types"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"


async def test_the_page_with_a_worker_has_a_policy_for_its_address(
    served: BaseTestServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(served.make_url("/tap")) as answer:
        assert "; trusted-types gifcue-tap" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", [*LIVE.values(), *TAP.values()])
def test_a_page_has_no_script_or_style_in_its_text(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert re.findall(r"<script(.*?)>(.*?)</script>", text)
    assert all(not body for _, body in re.findall(r"<script(.*?)>(.*?)</script>", text))
    assert not re.search(r"(src|href)=[\"'](?!/|#)", text), "expected addresses of this server alone"


async def test_a_file_that_has_not_changed_is_not_sent_again(
    served: BaseTestServer, session: aiohttp.ClientSession
) -> None:
    url = served.make_url("/static/css/base.css")
    async with session.get(url) as answer:
        etag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "no-cache"
    async with session.get(url, headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
        assert await answer.read() == b""
    async with session.get(url, headers={"If-None-Match": '"another"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("encoding", ["gzip, deflate", "identity"])
async def test_a_file_arrives_whole(
    served: BaseTestServer, session: aiohttp.ClientSession, encoding: str
) -> None:
    url = served.make_url("/static/js/stream.js")
    async with session.get(url, headers={"Accept-Encoding": encoding}) as answer:
        body = await answer.read()
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        packed = answer.headers.get("Content-Encoding") == "gzip"
    assert packed == ("gzip" in encoding)
    assert (gzip.decompress(body) if packed else body) == (STATIC / "js/stream.js").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages.py",
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/pages.py",
        "/static/..%2fpages.py",
        "/static/js/..%2f..%2fpages.py",
        "/static//etc/passwd",
        "/static/js",
        "/static/js/",
        "/static/",
        "/static/js/stream.js%00",
        "/static/nothing.js",
    ],
)
async def test_no_path_leaves_the_folder(served: BaseTestServer, path: str) -> None:
    # Over a socket of its own: a client's library would tidy the path up.
    assert served.port is not None
    loop_answer = await _raw_get(served.port, path)
    assert loop_answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in loop_answer
    assert b"import" not in loop_answer


async def _raw_get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_files_are_only_read(
    served: BaseTestServer, session: aiohttp.ClientSession, method: str
) -> None:
    async with session.request(method, served.make_url("/live")) as answer:
        assert answer.status == 405


@pytest.mark.parametrize("module", [media_pb2, reaction_service_pb2], ids=["media", "reaction_service"])
def test_the_wire_of_the_pages_is_that_of_the_protos(module: ModuleType) -> None:
    # The generated code holds each file's descriptor in Base64.
    text = (STATIC / "vendor/wire.js").read_text(encoding="utf-8")
    descriptors = [
        FileDescriptorProto.FromString(base64.b64decode(each + "=" * (-len(each) % 4)))
        for each in re.findall(r"[\"'`]([A-Za-z0-9+/]{200,}={0,2})[\"'`]", text)
    ]
    expected = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(expected)
    (found,) = [each for each in descriptors if each.name == expected.name]
    for each in (found, expected):
        # What the generated code states elsewhere or not at all.
        each.ClearField("dependency")
        _without_json_names(each.message_type)
    assert found == expected, "the messages of the pages are out of date: run `make web-vendor`"


def _without_json_names(messages: Iterable[DescriptorProto]) -> None:
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        _without_json_names(message.nested_type)


def _modules(name: str) -> set[str]:
    """The scripts that a page or a script loads or starts as workers, itself included where it is one."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        text = (STATIC / each).read_text(encoding="utf-8")
        if each.endswith(".html"):
            waiting += [
                path.removeprefix("/static/") for path in re.findall(r'<script[^>]* src="([^"]+)"', text)
            ]
        else:
            froms = re.findall(r"""(?:from|import|new URL)\s*\(?['"](\.[^'"]+)['"]""", text)
            waiting += [
                (STATIC / each).parent.joinpath(path).resolve().relative_to(STATIC).as_posix()
                for path in froms
            ]
    return {each for each in found if each.endswith(".js")}


def test_pages_are_small() -> None:
    assets = read_assets()
    scripts: set[str] = set()
    for page in sorted(name for name in assets if name.endswith(".html")):
        loaded = _modules(page)
        scripts |= loaded
        size = sum(len(assets[name].body) for name in loaded)
        packed = sum(len(assets[name].packed) for name in loaded)
        print(f"{page}: {len(loaded)} scripts, {size / 1e3:.1f} kB, {packed / 1e3:.1f} kB packed")
    total = sum(len(assets[name].packed) for name in scripts)
    print(f"all pages: {len(scripts)} scripts, {total / 1e3:.1f} kB packed")
    assert total <= MAX_SCRIPT_BYTES


def test_every_script_is_loaded_by_a_page() -> None:
    assets = read_assets()
    scripts = {name for name in assets if name.endswith(".js")}
    pages = [name for name in assets if name.endswith(".html")]
    loaded: set[str] = set().union(*(_modules(page) for page in pages))
    # Charts are for operators alone.
    assert scripts - loaded <= (set() if "operate.html" in assets else {"vendor/uplot.js"})
