"""Streams of a client with several servers, over real connections to fake servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from gifcue.client import (
    ROOM_HEADER,
    Backoff,
    ConnectionOptions,
    Disconnected,
    Event,
    ReactionClient,
    Ready,
    Server,
    StreamOptions,
    room_key,
)
from gifcue.client import pool as client_pool
from gifcue.client.exceptions import ClientError, InvalidRequest, ServerBusy, ServerTimeout, ServerUnavailable
from gifcue.client.rendezvous import ranked
from gifcue.testing import FakeServer
from gifcue.v1 import reaction_service_pb2
from tests.support.waiting import until

ROOM = StreamOptions(room_id="weekly")
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")


class Fleet:
    """Servers in the order in which the room `weekly` prefers them, and a client of them."""

    def __init__(self, servers: list[FakeServer]) -> None:
        by_address = {server.target: server for server in servers}
        order = ranked(room_key("weekly"), map(Server, by_address))
        self.servers = [by_address[each.address] for each in order]
        self.targets = list(by_address)

    @property
    def opened(self) -> list[int]:
        """The number of streams that each server got."""
        return [len(server.service.streams) for server in self.servers]


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield Fleet([await stack.enter_async_context(FakeServer()) for _ in range(3)])


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(fleet.targets) as connected:
        yield connected


class Pauses:
    """A sleep that returns at once and remembers what was asked."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.delays.append(delay_s)
        await asyncio.sleep(0)

    @property
    def backoff(self) -> Backoff:
        return Backoff(sleep=self.sleep, uniform=lambda: 0.5)


async def next_ready(events: AsyncIterator[Event]) -> list[Disconnected]:
    """Waits for a new connection; returns the failures before it."""
    lost: list[Disconnected] = []
    async for event in events:
        if isinstance(event, Ready):
            return lost
        if isinstance(event, Disconnected):
            lost.append(event)
    raise AssertionError("the stream ended before a Ready")


async def known_unusable(client: ReactionClient, server: FakeServer) -> None:
    pool = client._entered()
    await until(lambda: not pool.placement.is_usable(Server(server.target)))


async def test_all_clients_open_a_room_on_the_same_server(fleet: Fleet) -> None:
    for targets in (fleet.targets, list(reversed(fleet.targets))):
        async with ReactionClient(targets) as client, client.open(ROOM):
            pass
    assert fleet.opened == [2, 0, 0]


async def test_streams_without_a_room_are_spread(fleet: Fleet, client: ReactionClient) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(30):
            await stack.enter_async_context(client.open())
    assert sum(fleet.opened) == 30
    assert min(fleet.opened) > 0  # all on two of three: once in 60,000 runs


async def test_the_call_carries_the_key_of_its_room(fleet: Fleet, client: ReactionClient) -> None:
    service = fleet.servers[0].service
    async with client.open(ROOM):
        assert dict(service.metadata)[ROOM_HEADER] == room_key("weekly")
    async with ReactionClient(service_target := fleet.servers[0].target) as single, single.open():
        assert ROOM_HEADER not in dict(service.metadata)
    options = ConnectionOptions(metadata=(("gifcue-room", "of-my-own"),))
    async with ReactionClient(service_target, options) as single, single.open(ROOM):
        assert [value for name, value in service.metadata if name == ROOM_HEADER] == ["of-my-own"]


async def test_a_lost_server_is_replaced_at_once_and_again_used_for_new_streams(fleet: Fleet) -> None:
    first, second, _ = fleet.servers
    pauses = Pauses()
    async with ReactionClient(fleet.targets) as client, client.reconnecting(ROOM, pauses.backoff) as stream:
        events = stream.events()
        await next_ready(events)
        await first.kill()
        lost = await next_ready(events)
        assert [each.attempt for each in lost] == [1]
        assert max(pauses.delays) <= 0.1
        assert fleet.opened == [1, 1, 0]
        # It is up again: the stream that runs stays, and a new one goes there.
        await first.start()
        placement = client._entered().placement
        await until(lambda: placement.is_usable(Server(first.target)))
        async with client.open(ROOM):
            pass
        assert fleet.opened == [2, 1, 0]
        assert len(second.service.streams) == 1
        assert stream.connected


async def test_a_stream_that_ends_for_its_own_fault_stays_with_its_room(fleet: Fleet) -> None:
    pauses = Pauses()
    async with ReactionClient(fleet.targets) as client, client.reconnecting(ROOM, pauses.backoff) as stream:
        events = stream.events()
        await next_ready(events)
        for number, code in enumerate(
            (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
        ):
            fleet.servers[0].service.streams[number].end(code, "idle, or events unread")
            await next_ready(events)
    assert fleet.opened == [3, 0, 0]
    assert pauses.delays == [0.25, 0.5]


async def test_a_server_that_drains_a_stream_does_not_get_it_back(fleet: Fleet) -> None:
    pauses = Pauses()
    async with (
        ReactionClient(fleet.targets) as client,
        client.reconnecting(ROOM, pauses.backoff) as stream,
    ):
        events = stream.events()
        await next_ready(events)
        moved = fleet.servers[0].service.streams[0]
        # As for a share of the streams: its health stays SERVING.
        moved.answer(
            control=reaction_service_pb2.StreamControl(drain=reaction_service_pb2.Drain(deadline_ms=100))
        )
        moved.end()
        await next_ready(events)
        assert fleet.opened == [1, 1, 0]
        assert max(pauses.delays) <= 0.1


async def test_a_server_that_reports_not_serving_gets_no_stream(fleet: Fleet, client: ReactionClient) -> None:
    first = fleet.servers[0]
    async with client.reconnecting(ROOM):
        await first.service.set_health(NOT_SERVING)
        await known_unusable(client, first)
        async with client.open(ROOM):
            pass
        assert fleet.opened == [1, 1, 0]
        await first.service.set_health(SERVING)
        placement = client._entered().placement
        await until(lambda: placement.is_usable(Server(first.target)))
        async with client.open(ROOM):
            pass
        assert fleet.opened == [2, 1, 0]


async def test_a_server_that_hangs_is_left_for_the_next(fleet: Fleet) -> None:
    first = fleet.servers[0]
    first.service.silent = True
    options = ConnectionOptions(open_timeout_s=0.3)
    async with (
        ReactionClient(fleet.targets, options) as client,
        client.reconnecting(ROOM) as stream,
    ):
        assert stream.connected
        assert fleet.opened == [1, 1, 0]


async def test_a_server_that_hangs_is_not_the_choice_of_the_next_stream(fleet: Fleet) -> None:
    fleet.servers[0].service.silent = True
    async with ReactionClient(fleet.targets, ConnectionOptions(open_timeout_s=0.3)) as client:
        with pytest.raises(ServerTimeout, match="expected the server's ready within"):
            await client.open(ROOM).__aenter__()
        async with client.open(ROOM):
            pass
        assert fleet.opened == [1, 1, 0]


async def test_a_full_server_is_asked_again_when_it_said(fleet: Fleet) -> None:
    for server in fleet.servers:
        server.service.refuse = FULL
        server.service.retry_after_ms = 60_000
    fleet.servers[1].service.retry_after_ms = 30_000
    pauses = Pauses()
    asked = asyncio.Event()
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        if delay_s > 1.0:
            asked.set()
            await asyncio.Event().wait()

    async with ReactionClient(fleet.targets) as client:
        with pytest.raises(ServerBusy) as refused:
            await client.open(ROOM).__aenter__()
        assert refused.value.retry_after_s == 60.0
        stream = client.reconnecting(ROOM, Backoff(sleep=sleep, uniform=lambda: 0.5), wait_for_server=True)
        entering = asyncio.create_task(stream.__aenter__())
        await asked.wait()
        # The first is known to be full. The others are asked without a pause, then all wait for the second.
        assert [delay > 1.0 for delay in slept] == [False, True]
        assert 29.0 < slept[-1] < 34.0
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    assert pauses.delays == []


async def test_one_full_server_costs_no_pause(fleet: Fleet) -> None:
    fleet.servers[0].service.refuse = FULL
    fleet.servers[0].service.retry_after_ms = 60_000
    pauses = Pauses()
    async with (
        ReactionClient(fleet.targets) as client,
        client.reconnecting(ROOM, pauses.backoff),
    ):
        assert fleet.opened == [0, 1, 0]
        assert max(pauses.delays) <= 0.1


async def test_a_request_that_is_wrong_is_not_tried_elsewhere(fleet: Fleet, client: ReactionClient) -> None:
    fleet.servers[0].service.refuse = (grpc.StatusCode.INVALID_ARGUMENT, "preset")
    with pytest.raises(InvalidRequest, match="preset"):
        await client.reconnecting(ROOM, wait_for_server=True).__aenter__()
    assert fleet.opened == [0, 0, 0]


async def test_a_new_address_takes_over_its_rooms(fleet: Fleet) -> None:
    known = fleet.targets.copy()
    known.remove(fleet.servers[0].target)

    async def resolver() -> list[str]:
        return known

    async with ReactionClient(resolver) as client:
        async with client.open(ROOM):
            pass
        known.append(fleet.servers[0].target)
        client._entered()._resolved_until_s = 0.0  # as a second later
        async with client.open(ROOM):
            pass
    assert fleet.opened == [1, 1, 0]


async def test_a_resolver_that_fails_leaves_the_servers_as_they_were(fleet: Fleet) -> None:
    answers: list[Any] = [
        OSError("no DNS"),
        fleet.targets,
        OSError("no DNS"),
        ValueError("no JSON"),
        [],
        [7],
        ExceptionGroup("of a library", [KeyError("Service")]),
    ]

    async def resolver() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with ReactionClient(resolver) as client:
        with pytest.raises(ServerUnavailable, match="expected servers of the resolver, got: no DNS"):
            await client.open(ROOM).__aenter__()
        for _ in range(6):
            client._entered()._resolved_until_s = 0.0
            async with client.open(ROOM):
                pass
    assert fleet.opened == [6, 0, 0]
    assert answers == []


async def test_a_resolver_that_hangs_holds_up_no_connection(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_pool, "_PATIENCE_S", 0.0)
    answers = asyncio.Queue[list[str]]()
    answers.put_nowait(fleet.targets[:1])
    async with ReactionClient(answers.get) as client:
        connections = client._entered()
        for _ in range(3):
            async with client.open():
                pass
            connections._resolved_until_s = 0.0
        assert sum(fleet.opened) == 3
        # The lookup that hangs is one, and its answer counts when it comes.
        answers.put_nowait(fleet.targets)
        await until(lambda: len(connections.placement.servers) == 3)
        connections._resolved_until_s = 0.0
        async with client.open():
            pass
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert "gifcue-resolving" not in names


async def test_the_channel_of_a_server_that_is_gone_is_closed_after_its_last_stream(fleet: Fleet) -> None:
    known = fleet.targets.copy()

    async def resolver() -> list[str]:
        return known

    async with ReactionClient(resolver) as client:
        pool = client._entered()
        gone = Server(fleet.servers[0].target)
        async with client.open(ROOM):
            known.remove(gone.address)
            pool._resolved_until_s = 0.0
            async with client.open(ROOM):
                assert gone in pool._channels
        pool._resolved_until_s = 0.0
        async with client.open(ROOM):
            assert gone not in pool._channels
    assert fleet.opened == [1, 2, 0]


async def test_nothing_is_left_of_a_client(fleet: Fleet) -> None:
    def of_the_client() -> set[str]:
        return {name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("gifcue-")}

    async with ReactionClient(fleet.targets) as client, client.reconnecting(ROOM) as stream:
        assert stream.connected
        assert "gifcue-health" in of_the_client()
    assert of_the_client() == set()


async def test_stills_go_to_any_server_and_calls_of_operators_to_a_certain_one(
    fleet: Fleet, client: ReactionClient
) -> None:
    await fleet.servers[0].kill()
    await fleet.servers[1].kill()
    pool = client._entered()
    await pool.refresh()
    for server in fleet.servers[:2]:
        pool.placement.suspect(Server(server.target))
    assert (await client.annotate(b"\xff\xd8")).annotations
    with pytest.raises(ClientError, match="expected a client of one server for this call"):
        await client.status()
