"""The calls of OperatorService as JSON over HTTP, and who may make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio
from google.protobuf import json_format

from gifcue.access.grants import Scope
from gifcue.client import AccessDenied, ConnectionOptions, ReactionClient, ReactionStream
from gifcue.server.lifecycle import Server
from gifcue.server.operator_http import ACTIONS, CALLS
from gifcue.v1 import operator_service_pb2 as pb
from tests.support.guarded_server import OBSERVING, STATIC, Guarded, serving
from tests.support.waiting import TIMEOUT_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A request of each action, where it is not empty.
BODIES: dict[str, dict[str, Any]] = {"drain": {"share": 0.5}, "log-level": {"level": "loud"}}


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def client(shared_client: ReactionClient) -> ReactionClient:
    return shared_client


@pytest_asyncio.fixture(loop_scope="module")
async def stream(client: ReactionClient) -> AsyncIterator[ReactionStream]:
    async with client.open() as opened:
        yield opened


def site(server: Server) -> str:
    return f"http://127.0.0.1:{server.operator_http_port}"


async def ask(
    server: Server, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
) -> tuple[int, Any]:
    """The status and the JSON of an answer, None where it is none."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{site(server)}{CALLS}/{path}", headers=headers, **options) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else None


async def act(server: Server, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """An action as the server's own page sends it."""
    return await ask(server, "POST", path, headers={"Origin": site(server), **headers}, json=body or {})


async def test_the_status_is_the_message_of_the_wire(server: Server, stream: ReactionStream) -> None:
    status, answer = await ask(server, "GET", "status")
    assert status == 200
    message = json_format.ParseDict(answer, pb.GetStatusResponse())
    assert message.state == pb.SERVING_STATE_SERVING
    assert message.streams == 1
    # Also figures that are 0 are there, so that a page need not guess.
    assert answer["books"]["received"] == "0"
    assert answer["drain"] == {
        "refusesStreams": False, "exits": False, "streamsMoving": 0, "streamsAsked": "0",
    }  # fmt: skip


async def test_answers_are_not_kept_by_browsers(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{site(server)}{CALLS}/status") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_streams_take_their_page_from_the_query(server: Server, stream: ReactionStream) -> None:
    status, answer = await ask(server, "GET", "streams", params={"pageSize": "1"})
    assert status == 200
    assert [each["sessionId"] for each in answer["streams"]] == [stream.ready.session_id]
    for query, says in (
        ("pageSize=101", "page_size: expected at most 100"),
        ("pageSize=x", "expected a ListStreamsRequest as JSON"),
        ("size=1", "expected a ListStreamsRequest as JSON"),
        ("pageSize=1&pageSize=2", "each field of the query once"),
    ):
        status, answer = await ask(server, "GET", f"streams?{query}")
        assert status == 400
        assert says in answer["error"]


async def test_a_drain_over_http_is_that_of_grpc(server: Server, stream: ReactionStream) -> None:
    status, answer = await act(server, "drain", {"share": 0.5, "deadlineMs": 5000})
    assert (status, answer) == (200, {"streams": 1, "remaining": 0, "deadlineMs": 5000})
    async for _ in stream.events():
        pass  # the stream ends
    assert (await act(server, "resume"))[1] == {"changed": False}


async def test_what_the_state_does_not_allow_is_a_conflict(server: Server) -> None:
    assert await act(server, "reload-rules") == (
        409,
        {"error": "expected rules.book to name a file, got the default rule book, which never changes"},
    )
    status, answer = await act(server, "drain", {"share": 1, "exit": True})
    assert (status, answer["error"]) == (
        409,
        "exit: expected a server that `gifcue serve` runs, got one within another program",
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "expected a DrainRequest as JSON"),
        (b'{"share": "half"}', "expected a DrainRequest as JSON"),
        (b'{"part": 0.5}', "expected a DrainRequest as JSON"),
        (b'{"share": 0.5, "share": 1}', "expected a DrainRequest as JSON"),
        (b"[" * 2000, "expected a DrainRequest as JSON"),
        (b'{"share": NaN}', "expected"),
        (b'{"share": 2}', "share: expected a number above 0 and at most 1, got 2"),
        (b"\xff\xfe", "expected a body in UTF-8"),
        (b"", "share: expected a number above 0 and at most 1, got 0"),
    ],
    ids=["no JSON", "text", "unknown field", "twice", "deep", "nan", "above 1", "no text", "empty"],
)
async def test_a_wrong_body_is_refused(server: Server, body: bytes, says: str) -> None:
    headers = {"Origin": site(server), "Content-Type": "application/json"}
    status, answer = await ask(server, "POST", "drain", headers=headers, data=body)
    assert status == 400
    assert says in answer["error"]


async def test_a_body_in_an_encoding_that_cannot_be_read_is_refused(server: Server) -> None:
    # Python has the encoding `undefined`, whose errors are no UnicodeDecodeError.
    for charset in ("undefined", "no-such-encoding"):
        headers = {"Origin": site(server), "Content-Type": f"application/json; charset={charset}"}
        status, answer = await ask(server, "POST", "resume", headers=headers, data=b"{}")
        assert (charset, status) == (charset, 400)
        assert "expected a body in UTF-8" in answer["error"]


async def test_a_body_that_is_too_large_is_refused(server: Server) -> None:
    headers = {"Origin": site(server), "Content-Type": "application/json"}
    status, _ = await ask(server, "POST", "drain", headers=headers, data=b" " * 5000)
    assert status == 413


async def test_a_body_that_does_not_come_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue.server.operator_http._BODY_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.operator_http_port)
    writer.write(
        f"POST {CALLS}/drain HTTP/1.1\r\nHost: 127.0.0.1:{server.operator_http_port}\r\n"
        f"Origin: {site(server)}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{{".encode()
    )
    answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


# What a page of another site could make a browser send


@pytest.mark.parametrize("path", list(ACTIONS))
async def test_an_action_is_not_taken_from_elsewhere(server: Server, path: str) -> None:
    body = BODIES.get(path, {})
    own = site(server)
    for headers, expected in (
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        # A page of another port of this machine may read nothing here, and may not act either.
        ({"Origin": f"http://127.0.0.1:{server.http_port}"}, 403),
        ({"Origin": f"http://localhost:{server.operator_http_port}"}, 403),
        ({}, 403),
        # A name of the page's own that it lets point here.
        ({"Host": "rebound.example.com", "Origin": "http://rebound.example.com"}, 421),
    ):
        status, answer = await ask(server, "POST", path, headers=headers, json=body)
        assert (status, headers) == (expected, headers)
        assert "expected" in answer["error"]
    # What a form can send needs no consent of the server.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        headers = {"Origin": own, "Content-Type": kind}
        status, answer = await ask(server, "POST", path, headers=headers, data=b"{}")
        assert status == 415
        assert kind in answer["error"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{own}{CALLS}/{path}", headers={"Origin": own}) as bare,
    ):
        assert bare.status == 415


@pytest.mark.parametrize("path", list(ACTIONS))
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_an_action_is_a_post(server: Server, path: str, method: str) -> None:
    status, _ = await ask(server, method, path, headers={"Origin": site(server)}, json=BODIES.get(path, {}))
    assert status == 405


@pytest.mark.parametrize("path", ["status", "streams"])
async def test_figures_are_only_read(server: Server, path: str) -> None:
    headers = {"Origin": site(server)}
    assert (await ask(server, "POST", path, headers=headers, json={}))[0] == 405
    assert (await ask(server, "GET", path, headers={"Origin": "https://evil.example.com"}))[0] == 403
    assert (await ask(server, "GET", path, headers={"Host": "rebound.example.com"}))[0] == 421


@pytest.mark.parametrize("path", ["status", "streams", *ACTIONS])
async def test_nothing_of_it_is_on_the_main_port(server: Server, path: str) -> None:
    own = f"http://127.0.0.1:{server.http_port}"
    async with aiohttp.ClientSession(headers={"Origin": own}) as session:
        for method in ("GET", "POST"):
            async with session.request(method, f"{own}{CALLS}/{path}", json={}) as answer:
                assert answer.status == 404
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
        call = channel.unary_unary(
            "/gifcue.v1.OperatorService/Drain",
            request_serializer=pb.DrainRequest.SerializeToString,
            response_deserializer=pb.DrainResponse.FromString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(pb.DrainRequest(share=1))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Tokens


@pytest_asyncio.fixture(loop_scope="module")
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with serving(tmp_path) as made:
        yield made


async def test_operators_calls_need_a_token_with_their_scope(guarded: Guarded) -> None:
    server = guarded.server
    for token, expected in (
        (None, 401),
        ("nonsense", 401),
        (guarded.token(Scope.STREAM), 403),
        (guarded.token(Scope.ANNOTATE), 403),
        (OBSERVING, 403),
        (STATIC, 200),
    ):
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        for path in ("status", "streams"):
            may_read = expected if token != OBSERVING else 200
            assert (await ask(server, "GET", path, headers=bearer))[0] == may_read
        status, _ = await act(server, "resume", **bearer)
        assert status == expected
    refused = server.access.control.refused
    assert (refused["no_token"], refused["malformed_token"], refused["wrong_scope"]) == (3, 3, 7)


async def test_operators_calls_over_grpc_need_it_too(guarded: Guarded) -> None:
    target = f"127.0.0.1:{guarded.server.operator_port}"
    async with ReactionClient(target, ConnectionOptions(token=OBSERVING)) as client:
        assert (await client.status()).streams == (await client.streams()).total == 0
        assert await client.metrics()
    for token in (None, guarded.token(Scope.STREAM), OBSERVING):
        async with ReactionClient(target, ConnectionOptions(token=token)) as client:
            figures = () if token == OBSERVING else (client.status, client.metrics, client.streams)
            for call in (
                *figures,
                client.drain,
                client.resume,
                client.reload_rules,
                lambda: client.set_log_level("error"),
            ):
                with pytest.raises(AccessDenied):
                    await call()
    async with ReactionClient(target, ConnectionOptions(token=STATIC)) as client:
        assert (await client.drain(0.5)).streams == 0
