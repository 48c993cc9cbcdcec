"""The servers among which a client chooses, and where their addresses come from."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from gifcue.client.exceptions import ClientError, ServerUnavailable

# Addresses that a resolver may return. More are an error, because each may get a connection.
MAX_SERVERS = 1024
_MAX_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `address` is "host:port"; clients that share rooms must write it in the same way.

    `weight` is the server's share of the rooms, in relation to the others'. `name` is the name in its certificate,
    where that is not the host of the address.

    Raises:
        ClientError: the address or the weight cannot be used.
    """

    address: str
    weight: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.address:
            raise ClientError('expected an address such as "127.0.0.1:50051", got an empty one')
        if not 0.0 < self.weight <= _MAX_WEIGHT:
            raise ClientError(
                f"{self.address}: expected a weight above 0, up to {_MAX_WEIGHT:g}, got {self.weight!r}"
            )


# Returns the servers as they are at the moment. Called before every attempt to connect, at most once a second.
Resolver = Callable[[], Awaitable[Iterable[str | Server]]]
# Looks a host name up: its addresses without port.
Lookup = Callable[[str, int], Awaitable[list[str]]]


def servers_of(found: Iterable[str | Server]) -> tuple[Server, ...]:
    """The servers without duplicates, in their order.

    Raises:
        ClientError: there are more than `MAX_SERVERS`, or something else than addresses.
    """
    servers: dict[str, Server] = {}
    for each in found:
        if not isinstance(each, str | Server):
            raise ClientError(f"expected servers as addresses or Server, got {type(each).__name__}")
        server = Server(each) if isinstance(each, str) else each
        servers.setdefault(server.address, server)
        if len(servers) > MAX_SERVERS:
            raise ClientError(f"expected at most {MAX_SERVERS} servers, got more")
    return tuple(servers.values())


class NamedServers:
    """A resolver of fixed servers, in which each host name stands for all of its addresses.

    A host name with several addresses, such as a headless service of Kubernetes, gives one server for each. The weight
    goes to each of them, and the host name is the name expected in their certificates. A name that cannot be looked up
    at the moment is left out while others can be.
    """

    def __init__(self, servers: Sequence[str | Server], lookup: Lookup | None = None) -> None:
        self._servers = servers_of(servers)
        self._lookup = lookup or _look_up
        if not self._servers:
            raise ClientError("expected at least one server, got none")

    async def __call__(self) -> list[Server]:
        """The servers at the moment.

        Raises:
            ServerUnavailable: no host name could be looked up.
        """
        resolved = await asyncio.gather(*map(self._resolve, self._servers), return_exceptions=True)
        found = [server for each in resolved if not isinstance(each, BaseException) for server in each]
        if not found:
            problem = next(each for each in resolved if isinstance(each, BaseException))
            if not isinstance(problem, OSError):
                raise problem
            names = ", ".join(server.address for server in self._servers)
            raise ServerUnavailable("UNAVAILABLE", f"expected addresses of {names} from DNS, got: {problem}")
        return found

    async def _resolve(self, server: Server) -> list[Server]:
        host, _, port = server.address.rpartition(":")
        # A target of grpc's own, such as unix:/run/gifcue.sock or dns:///gifcue:50051, is grpc's to resolve.
        if "/" in server.address or not host or not port.isdigit() or _is_address(host):
            return [server]
        addresses = await self._lookup(host, int(port))
        name = server.name or host
        return [
            Server(f"[{each}]:{port}" if ":" in each else f"{each}:{port}", server.weight, name)
            for each in addresses
        ]


async def _look_up(host: str, port: int) -> list[str]:
    """The host's IPv4 addresses, or its IPv6 addresses where it has no other.

    Both families of one host would count as two servers.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family in (socket.AF_INET, socket.AF_INET6):
        addresses = sorted({str(each[4][0]) for each in found if each[0] == family})
        if addresses:
            return addresses
    raise OSError(f"expected addresses of {host}, got none")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


async def resolve(resolver: Resolver) -> tuple[Server, ...]:
    """What the resolver returns, checked.

    Raises:
        ServerUnavailable: it returns no server.
        ClientError: it returns something else than servers.
    """
    found = resolver()
    if not inspect.isawaitable(found):
        raise ClientError(f"expected an asynchronous resolver, got one that returns {type(found).__name__}")
    servers = servers_of(await found)
    if not servers:
        raise ServerUnavailable("UNAVAILABLE", "expected servers of the resolver, got none")
    return servers
