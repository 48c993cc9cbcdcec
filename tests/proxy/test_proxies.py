"""The proxies of deploy/proxy/, with their files as shipped, before two real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.proxies import FILES, PROXIES, Backend, HAProxy, Nginx, Proxy
from benchmarks.server_process import free_port
from gifcue.client import (
    Backoff,
    Codec,
    ConnectionOptions,
    Draining,
    ReactionClient,
    ReactionStream,
    ReconnectingStream,
    StreamOptions,
    TlsOptions,
    room_key,
)
from gifcue.client.exceptions import ClientError, ServerError, ServerUnavailable
from gifcue.v1 import reaction_service_pb2
from tests.proxy.conftest import require
from tests.support.certificates import Authority
from tests.support.real_server import RealServer
from tests.support.waiting import TIMEOUT_S, until

ROOMS = [f"room-{number}" for number in range(16)]
# More than the 100 to 128 that HAProxy, Envoy and nginx allow one connection by default.
MANY_STREAMS = 200
# Between two looks at what a proxy or a server does by itself.
POLL_S = 0.1
# While a test waits for what a proxy notices by itself.
EVERY = Backoff(first_s=0.1, factor=1.0)


@pytest.fixture(params=list(PROXIES.values()), ids=list(PROXIES))
def kind(request: pytest.FixtureRequest) -> type[Proxy]:
    require(request.param)
    return request.param


@pytest.fixture
async def serving(servers: list[RealServer]) -> list[RealServer]:
    for each in servers:
        await each.wait_until_serving()
    return servers


def backends(servers: list[RealServer]) -> list[Backend]:
    return [Backend(each.grpc_port, each.http_port, each.operator_http_port) for each in servers]


@contextlib.asynccontextmanager
async def opened(client: ReactionClient, room: str) -> AsyncIterator[ReactionStream]:
    """A stream, once the proxy finds its servers."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            stream = client.open(StreamOptions(room_id=room))
            try:
                await stream.__aenter__()
            except ServerError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(POLL_S)
            else:
                break
    try:
        yield stream
    finally:
        await stream.cancel()


async def place_of(servers: list[RealServer], session_id: str) -> int:
    """The number of the server that has the stream."""
    for number, server in enumerate(servers):
        with contextlib.suppress(ClientError):
            if session_id in await server.session_ids():
                return number
    raise AssertionError(f"expected the stream {session_id} on one of the servers, got it on none")


async def place_of_room(servers: list[RealServer], client: ReactionClient, room: str) -> int:
    async with opened(client, room) as stream:
        return await place_of(servers, stream.ready.session_id)


async def place_over_websocket(servers: list[RealServer], proxy: Proxy, room: str) -> int:
    url = f"http://{proxy.target}/stream?room={room_key(room)}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["gifcue.v1"]) as socket,
    ):
        config = reaction_service_pb2.StreamConfig(room_id=room)
        request = reaction_service_pb2.StreamReactionsRequest(config=config)
        await socket.send_bytes(request.SerializeToString())
        answer = reaction_service_pb2.StreamReactionsResponse.FromString(await socket.receive_bytes())
        return await place_of(servers, answer.ready.session_id)


async def room_at(servers: list[RealServer], client: ReactionClient, number: int) -> str:
    """A room that the proxy places at the server with this number."""
    for room in ROOMS:
        if await place_of_room(servers, client, room) == number:
            return room
    raise AssertionError(f"expected a room at server {number}, got all at the other one")


async def test_the_streams_of_a_room_meet_at_one_server(
    kind: type[Proxy], serving: list[RealServer], tmp_path: Path
) -> None:
    async with kind(tmp_path, backends(serving)) as proxy:
        places: list[list[int]] = []
        for _ in range(2):
            async with ReactionClient(proxy.target) as client:
                places.append([await place_of_room(serving, client, room) for room in ROOMS])
        over_websocket = [await place_over_websocket(serving, proxy, room) for room in ROOMS]
        again = [await place_over_websocket(serving, proxy, room) for room in ROOMS[:4]]
    assert places[0] == places[1]
    if kind is Nginx:
        # It hashes the ports, which are others in each run: all at one server once in 32768 runs.
        assert set(places[0]) == {0, 1}
    else:
        assert 5 <= sum(places[0]) <= 11, places[0]
    assert over_websocket == places[0]
    assert again == over_websocket[:4]


async def test_a_stream_outlives_idle_timeouts_and_a_quiet_one_does_not(
    kind: type[Proxy], serving: list[RealServer], tmp_path: Path
) -> None:
    async def keep_sending(stream: ReactionStream) -> None:
        alice = await stream.join("alice", Codec.VP8)  # no label is allowed, so the server answers nothing
        while True:
            await alice.set_speaking(True)
            await asyncio.sleep(0.1)

    async with (
        kind(tmp_path, backends(serving), stream_timeout="1s", silent_timeout="1s") as proxy,
        ReactionClient(proxy.target) as client,
        opened(client, await room_at(serving, client, 0)) as stream,
        grpc.aio.insecure_channel(proxy.target) as channel,
    ):
        sending = asyncio.create_task(keep_sending(stream))
        quiet_room = await room_at(serving, client, 1)
        # Of nginx, silent_timeout is for streams. Another answer may take longer, as here the next one about health.
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        # Each quiet stream is ended by the timeout, so the other one has lived for more than two of them.
        for _ in range(2):
            async with opened(client, quiet_room) as quiet:
                await until(lambda quiet=quiet: quiet.ended)  # type: ignore[misc]
        assert not sending.done()
        sending.cancel()
        assert not (kind is Nginx and health.done())
        # The answer comes on the stream of the beginning, whose frames were counted all the time.
        assert [each.participant_id for each in (await stream.statistics()).participants] == ["alice"]


async def test_one_client_has_more_streams_than_proxies_allow_by_default(
    kind: type[Proxy], serving: list[RealServer], tmp_path: Path
) -> None:
    async with (
        kind(tmp_path, backends(serving)) as proxy,
        ReactionClient(proxy.target) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        room = await room_at(serving, client, 1)  # without heartbeats, so that idle streams cost nothing
        first = await stack.enter_async_context(opened(client, room))
        async with asyncio.timeout(TIMEOUT_S):
            streams = await asyncio.gather(
                *(stack.enter_async_context(opened(client, room)) for _ in range(MANY_STREAMS - 1))
            )
        assert not any(each.ended for each in (first, *streams))
        assert (await streams[-1].statistics()).participants == ()


async def test_a_reload_ends_no_stream(kind: type[Proxy], serving: list[RealServer], tmp_path: Path) -> None:
    async with (
        kind(tmp_path, backends(serving)) as proxy,
        ReactionClient(proxy.target) as client,
        opened(client, ROOMS[0]) as first,
        opened(client, await room_at(serving, client, 1)) as second,
    ):
        if kind is HAProxy:
            await proxy.reload()
        else:
            # The second server is no longer named: new streams of its rooms go to the first, and its own goes on.
            await proxy.reload([backends(serving)[0]] * 2)
            async with ReactionClient(proxy.target) as other:
                await _until_all_at_first(serving, other)
        async with ReactionClient(proxy.target) as other, opened(other, "new"):
            pass
        for stream in (first, second):
            async with asyncio.timeout(TIMEOUT_S):
                await stream.statistics()
            assert not stream.ended


async def _until_all_at_first(servers: list[RealServer], client: ReactionClient) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while {await place_of_room(servers, client, room) for room in ROOMS[:6]} != {0}:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)  # Envoy ends the connection of a client that resets many streams


@contextlib.asynccontextmanager
async def behind_all(
    servers: list[RealServer], folder: Path, number: int
) -> AsyncIterator[list[tuple[ReactionClient, str, ReconnectingStream]]]:
    """Behind each of the proxies, a client and a stream of a room that is at the server with this number."""
    for kind in PROXIES.values():
        require(kind)
    async with contextlib.AsyncExitStack() as stack:
        behind: list[tuple[ReactionClient, str, ReconnectingStream]] = []
        for name, kind in PROXIES.items():
            (folder / name).mkdir()
            proxy = await stack.enter_async_context(kind(folder / name, backends(servers)))
            client = await stack.enter_async_context(ReactionClient(proxy.target))
            room = await room_at(servers, client, number)
            stream = client.reconnecting(StreamOptions(room_id=room), EVERY)
            behind.append((client, room, await stack.enter_async_context(stream)))
        yield behind


async def _until_all_have_moved(
    servers: list[RealServer], behind: list[tuple[ReactionClient, str, ReconnectingStream]], number: int
) -> None:
    for _, _, stream in behind:
        await until(lambda stream=stream: stream.connections > 1 and stream.connected)  # type: ignore[misc]
        assert stream.ready.session_id in await servers[number].session_ids()


async def _until_rooms_are_at(
    servers: list[RealServer], behind: list[tuple[ReactionClient, str, ReconnectingStream]], number: int
) -> None:
    for client, room, _ in behind:
        async with asyncio.timeout(TIMEOUT_S):
            while await place_of_room(servers, client, room) != number:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)


async def test_the_rooms_of_a_killed_server_go_to_the_other_one_and_return(
    serving: list[RealServer], tmp_path: Path
) -> None:
    """Behind all proxies at once, because a server takes seconds to start again."""
    async with behind_all(serving, tmp_path, 1) as behind:
        try:
            serving[1].kill()
            await _until_all_have_moved(serving, behind, 0)
        finally:
            serving[1].start()
            await serving[1].wait_until_serving()
        await _until_rooms_are_at(serving, behind, 1)
        for _, _, stream in behind:
            assert await place_of(serving, stream.ready.session_id) == 0


async def test_the_rooms_of_a_server_that_hangs_go_to_the_other_one_and_return(
    serving: list[RealServer], tmp_path: Path
) -> None:
    async with behind_all(serving, tmp_path, 0) as behind:
        try:
            serving[0].suspend()
            await _until_all_have_moved(serving, behind, 1)
        finally:
            serving[0].resume()
        await _until_rooms_are_at(serving, behind, 0)


async def test_a_server_that_drains_gets_no_new_stream_and_ends_its_own_in_order(
    kind: type[Proxy], serving: list[RealServer], tmp_path: Path
) -> None:
    async with kind(tmp_path, backends(serving)) as proxy, ReactionClient(proxy.target) as client:
        room = await room_at(serving, client, 0)
        async with (
            opened(client, room) as stream,
            ReactionClient(serving[0].operator_target) as operator,
        ):
            try:
                await operator.drain()
                events = stream.events()
                while not isinstance(await anext(events), Draining):
                    pass
                if kind is HAProxy:
                    # It adds a reset where a server ends a stream that its client has not ended.
                    with contextlib.suppress(ServerUnavailable):
                        await stream.close()
                    assert "Server gifcue_grpc/a is stopping" in await _log_with(proxy, "gifcue_grpc/a is")
                    assert "gifcue_grpc/a is DOWN" not in proxy.log
                else:
                    await stream.close()  # with OK: the proxy did not cut it off
                assert await place_of_room(serving, client, room) == 1
            finally:
                await operator.resume()
                await serving[0].wait_until_serving()


async def _log_with(proxy: Proxy, text: str) -> str:
    await until(lambda: text in proxy.log, expected=f"a line with {text!r}", state=lambda: proxy.log)
    return proxy.log


async def test_with_tls_to_clients(kind: type[Proxy], serving: list[RealServer], tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = tmp_path / "proxy.crt", tmp_path / "proxy.key"
    for path, pem in zip((certificate, key), authority.issue(), strict=True):
        path.write_bytes(pem)
    options = ConnectionOptions(tls=TlsOptions(root_certificates=authority.pem))
    async with (
        kind(tmp_path, backends(serving), certificate=certificate, key=key) as proxy,
        ReactionClient(proxy.target, options) as client,
        opened(client, ROOMS[0]) as stream,
    ):
        assert (await stream.statistics()).participants == ()


async def test_a_server_that_nobody_listens_for_costs_a_stream_nothing(
    kind: type[Proxy], serving: list[RealServer], tmp_path: Path
) -> None:
    nobody = Backend(free_port(), free_port())
    async with (
        kind(tmp_path, [backends(serving)[0], nobody]) as proxy,
        ReactionClient(proxy.target) as client,
    ):
        assert {await place_of_room(serving, client, room) for room in ROOMS} == {0}


async def test_without_any_server_streams_may_come_again(kind: type[Proxy], tmp_path: Path) -> None:
    nobody = [Backend(free_port(), free_port()) for _ in range(2)]
    async with kind(tmp_path, nobody) as proxy, ReactionClient(proxy.target) as client:
        with pytest.raises(ServerUnavailable):
            await client.open(StreamOptions(room_id=ROOMS[0])).__aenter__()
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{proxy.target}/readyz") as answer,
        ):
            assert answer.status == 503


async def test_shipped_files_name_every_variable_in_their_first_lines() -> None:
    for path in FILES.iterdir():
        text = path.read_text(encoding="utf-8")
        head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
        used = {
            part.split("}")[0].split("-")[0] for part in text.split("${")[1:] if part.startswith("GIFCUE")
        }
        for name in used - {"GIFCUE_B_HOST", "GIFCUE_B_GRPC_PORT", "GIFCUE_B_HTTP_PORT"}:
            assert name in head, f"{path.name}: expected a line about {name}"
