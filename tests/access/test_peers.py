from __future__ import annotations

import ipaddress

import pytest

from gifcue.access.peers import MAX_HOPS, Peer, TrustedProxies, grpc_address, parse_address
from gifcue.access.refusals import BadRequest, Reason
from gifcue.errors import ConfigError

PROXIES = TrustedProxies(["10.0.0.0/8", "::1", "2001:db8:1::/48"])


def peer(connection: str, forwarded_for: tuple[str, ...] = (), forwarded: tuple[str, ...] = ()) -> str:
    return str(PROXIES.peer_of(ipaddress.ip_address(connection), forwarded_for, forwarded))


def test_headers_of_strangers_are_not_believed() -> None:
    assert peer("192.0.2.1", ("203.0.113.9",), ("for=203.0.113.9",)) == "192.0.2.1"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), "10.0.0.1"),
        (("203.0.113.9",), "203.0.113.9"),
        # What the peer itself wrote stands before what the proxies added.
        (("198.51.100.1, 203.0.113.9",), "203.0.113.9"),
        (("198.51.100.1", "203.0.113.9"), "203.0.113.9"),
        (("198.51.100.1, 203.0.113.9, 10.2.2.2",), "203.0.113.9"),
        (("10.3.3.3, 10.2.2.2",), "10.3.3.3"),
        (("203.0.113.9:4711",), "203.0.113.9"),
        (("[2001:db8::7]:4711",), "2001:db8::7"),
        (("2001:db8::7",), "2001:db8::7"),
        (("::ffff:203.0.113.9",), "203.0.113.9"),
        # A proxy that does not know, or nonsense: the last address that is known.
        (("203.0.113.9, unknown",), "10.0.0.1"),
        (("203.0.113.9, nonsense, 10.2.2.2",), "10.2.2.2"),
        ((" , ,",), "10.0.0.1"),
        (("\u0661.2.3.4",), "10.0.0.1"),
    ],
)
def test_the_first_address_that_is_no_proxy(headers: tuple[str, ...], expected: str) -> None:
    assert peer("10.0.0.1", headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("for=203.0.113.9;proto=https;by=10.0.0.1",), "203.0.113.9"),
        (('proto=https; For="[2001:db8::7]:4711"',), "2001:db8::7"),
        (("for=198.51.100.1, for=203.0.113.9",), "203.0.113.9"),
        (("for=unknown",), "10.0.0.1"),
        (("for=_hidden",), "10.0.0.1"),
        (("proto=https",), "10.0.0.1"),
        # A quote that the peer opened does not swallow what its proxy added.
        (('for="198.51.100.1', "for=203.0.113.9"), "203.0.113.9"),
        (('for="198.51.100.1, for=203.0.113.9',), "203.0.113.9"),
        (("xfor=198.51.100.1",), "10.0.0.1"),
    ],
)
def test_the_header_forwarded(headers: tuple[str, ...], expected: str) -> None:
    assert peer("10.0.0.1", (), headers) == expected


def test_a_second_header_cannot_choose_the_address() -> None:
    assert peer("10.0.0.1", ("203.0.113.9",), ("for=203.0.113.9",)) == "203.0.113.9"
    with pytest.raises(
        BadRequest, match="expected X-Forwarded-For and Forwarded to name the same peer"
    ) as refused:
        peer("10.0.0.1", ("203.0.113.9",), ("for=198.51.100.1",))
    assert refused.value.reason is Reason.FORWARDED


def test_a_long_chain_costs_no_more_than_a_short_one() -> None:
    assert peer("10.0.0.1", (", ".join(["203.0.113.9"] + ["10.2.2.2"] * MAX_HOPS),)) == "10.2.2.2"


def test_ipv6_counts_by_its_network() -> None:
    one, other, another = (
        ipaddress.ip_address(f"2001:db8:0:{net}::{host}") for net, host in ((1, 1), (1, 2), (2, 1))
    )
    assert Peer(one).key == Peer(other).key == "peer 2001:db8:0:1::/64"
    assert Peer(one).key != Peer(another).key
    assert Peer(ipaddress.ip_address("203.0.113.9")).key == "peer 203.0.113.9"
    assert (Peer(None).key, str(Peer(None))) == ("peer local", "local")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ipv4:192.0.2.1:53412", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:53412", "2001:db8::1"),
        ("ipv6:[::ffff:192.0.2.1]:53412", "192.0.2.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:53412", "fe80::1"),
        ("unix:", None),
        ("unix:/run/192.0.2.1:1", None),
        ("", None),
    ],
)
def test_peers_of_grpc(text: str, expected: str | None) -> None:
    address = grpc_address(text)
    assert (None if address is None else str(address)) == expected


def test_wrong_networks_are_refused() -> None:
    for text in ("10.0.0.1/8", "proxy.example.org", ""):
        with pytest.raises(ConfigError, match=r"server\.trusted_proxies: expected addresses or networks"):
            TrustedProxies([text])
    assert parse_address("nonsense") is None
