"""Who is at the other end: the address of a connection, or the one that a trusted proxy names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from gifcue.access.refusals import BadRequest, Reason
from gifcue.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses of a chain of proxies that are looked at, counted from the nearest.
MAX_HOPS = 32
# A participant's network has at least a /64, so that single IPv6 addresses are no bound.
_IPV6_PREFIX = 64
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*"?([^";,]*)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer. `address` is None where the connection has none, such as one over a UNIX socket."""

    address: Address | None

    @property
    def key(self) -> str:
        """What quotas count by: the address, for IPv6 its network of 64 bits."""
        if self.address is None:
            return "peer local"
        if isinstance(self.address, ipaddress.IPv6Address):
            return f"peer {ipaddress.IPv6Network((self.address, _IPV6_PREFIX), strict=False)}"
        return f"peer {self.address}"

    def __str__(self) -> str:
        return "local" if self.address is None else str(self.address)


class TrustedProxies:
    """The proxies whose word about their own peers is taken.

    Raises:
        ConfigError: one of `networks` is no address and no network such as 10.0.0.0/8.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[Network] = []
        for text in networks:
            try:
                self._networks.append(ipaddress.ip_network(text))
            except ValueError:
                raise ConfigError(
                    f"server.trusted_proxies: expected addresses or networks such as 10.0.0.0/8, got {text!r}"
                ) from None

    def peer_of(
        self, connection: Address | None, forwarded_for: Sequence[str] = (), forwarded: Sequence[str] = ()
    ) -> Peer:
        """The peer of a call on a connection, given all its headers X-Forwarded-For and Forwarded (RFC 7239).

        From the nearest proxy on, the first address that is no trusted proxy's is the peer's. What stands before it
        was written by the peer itself and is not believed.

        Raises:
            BadRequest: both headers are there and name different peers. A proxy writes one of them, and the other one
                would let the peer choose its address.
        """
        if connection is None or not self.trusts(connection):
            return Peer(connection)
        found = [
            self._walk(connection, chain)
            for chain in (_hops(forwarded_for), _forwarded_hops(forwarded))
            if chain
        ]
        if len(set(found)) > 1:
            raise BadRequest(
                Reason.FORWARDED,
                "expected X-Forwarded-For and Forwarded to name the same peer, got different ones",
            )
        return Peer(found[0] if found else connection)

    def trusts(self, address: Address) -> bool:
        """True for the address of a trusted proxy."""
        return any(address in network for network in self._networks)

    def _walk(self, connection: Address, chain: Sequence[str]) -> Address:
        nearest = connection
        for text in reversed(chain[-MAX_HOPS:]):
            address = parse_address(text)
            if address is None:  # "unknown", a name that hides the address, or nonsense
                break
            nearest = address
            if not self.trusts(nearest):
                break
        return nearest


def parse_address(text: str) -> Address | None:
    """The address in `text`, which may have a port; IPv6 then has brackets. None where it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # A zone belongs to this machine alone, and would make one address many.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # The same peer, seen through a socket for both families.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def grpc_address(peer: str) -> Address | None:
    """The address of a gRPC peer, such as "ipv4:127.0.0.1:5000" or "ipv6:%5B::1%5D:5000". None for a UNIX socket."""
    family, _, address = peer.partition(":")
    return parse_address(unquote(address)) if family in ("ipv4", "ipv6") else None


def _hops(headers: Sequence[str]) -> list[str]:
    return [hop for hop in ",".join(headers).split(",") if hop.strip()]


def _forwarded_hops(headers: Sequence[str]) -> list[str]:
    # Split at commas, also at those that a peer put into quotes: what its proxy added then still stands by itself.
    hops = _hops(headers)
    return [found[1] if (found := _FOR.search(hop.strip())) else "" for hop in hops]
