"""Where a client's addresses come from."""

from __future__ import annotations

import asyncio

import pytest

from gifcue.client import Server
from gifcue.client.exceptions import ClientError, ServerUnavailable
from gifcue.client.servers import MAX_SERVERS, NamedServers, resolve, servers_of

NAMES = {"gifcue.fleet": ["10.0.0.1", "10.0.0.2"], "six.fleet": ["2001:db8::1"]}


async def lookup(host: str, port: int) -> list[str]:
    try:
        return NAMES[host]
    except KeyError:
        raise OSError(f"no such name: {host}") from None


async def addresses(*servers: str | Server) -> list[Server]:
    return await NamedServers(servers, lookup)()


async def test_a_host_name_stands_for_all_of_its_addresses() -> None:
    assert await addresses(Server("gifcue.fleet:50051", weight=2.0), "six.fleet:7") == [
        Server("10.0.0.1:50051", 2.0, "gifcue.fleet"),
        Server("10.0.0.2:50051", 2.0, "gifcue.fleet"),
        Server("[2001:db8::1]:7", 1.0, "six.fleet"),
    ]


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "[::1]:1", "unix:/run/gifcue.sock", "dns:///gifcue:1", "gifcue", "gifcue:http"]
)
async def test_other_targets_are_left_to_grpc(address: str) -> None:
    assert await addresses(address) == [Server(address)]


async def test_a_name_that_cannot_be_looked_up_is_left_out() -> None:
    assert await addresses("gone.fleet:1", "10.0.0.9:1") == [Server("10.0.0.9:1")]


async def test_without_any_address_the_error_names_what_was_looked_up() -> None:
    with pytest.raises(ServerUnavailable, match=r"gone\.fleet:1, also\.gone:1.*no such name"):
        await addresses("gone.fleet:1", "also.gone:1")


async def test_a_real_name_is_looked_up() -> None:
    found = await NamedServers(["localhost:50051"])()
    assert found in ([Server("127.0.0.1:50051", name="localhost")], [Server("[::1]:50051", name="localhost")])


def test_the_same_address_counts_once() -> None:
    assert servers_of(["a:1", Server("a:1", weight=2.0), "b:1"]) == (Server("a:1"), Server("b:1"))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Server(""), "expected an address"),
        (lambda: Server("a:1", weight=0.0), "expected a weight above 0"),
        (lambda: Server("a:1", weight=float("nan")), "expected a weight above 0"),
        (lambda: NamedServers([]), "expected at least one server"),
        (lambda: servers_of([1]), "expected servers as addresses or Server, got int"),  # type: ignore[list-item]
        (lambda: servers_of(f"a:{port}" for port in range(MAX_SERVERS + 1)), "expected at most 1024 servers"),
    ],
)
def test_what_is_no_server_is_refused(made, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        made()


async def test_what_a_resolver_returns_is_checked() -> None:
    async def none() -> list[str]:
        return []

    with pytest.raises(ServerUnavailable, match="expected servers of the resolver, got none"):
        await resolve(none)
    with pytest.raises(ClientError, match="expected an asynchronous resolver, got one that returns list"):
        await resolve(lambda: ["a:1"])  # type: ignore[arg-type,return-value]


async def test_a_lookup_that_is_cancelled_ends() -> None:
    async def endless(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    looking = asyncio.create_task(NamedServers(["a.fleet:1"], endless)())
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
