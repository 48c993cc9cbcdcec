"""The order of servers for a room: the same everywhere, shared by weight, and stable."""

from __future__ import annotations

from collections import Counter

import pytest

from gifcue.client import Server, room_key
from gifcue.client.rendezvous import ranked

SERVERS = [Server(f"10.0.0.{number}:50051") for number in range(1, 6)]
KEYS = [room_key(f"room-{number}") for number in range(4000)]


def test_other_languages_compute_the_same_order() -> None:
    # Computed with `printf weekly | sha256sum` and, for each server, `printf 'KEY\nADDRESS' | sha256sum`: with equal
    # weights, the order is that of the digests, the greatest first.
    assert room_key("weekly") == "8850eced986ec360f9b350835a621bcf"
    order = [server.address for server in ranked(room_key("weekly"), SERVERS)]
    assert order == [f"10.0.0.{number}:50051" for number in (1, 3, 5, 2, 4)]


def test_the_order_does_not_depend_on_the_order_of_the_addresses() -> None:
    assert ranked(KEYS[0], SERVERS) == ranked(KEYS[0], reversed(SERVERS))


def test_rooms_are_shared_evenly() -> None:
    first = Counter(ranked(key, SERVERS)[0].address for key in KEYS)
    # 800 each; 4 standard deviations are 101.
    assert all(abs(first[server.address] - 800) < 101 for server in SERVERS), first


def test_rooms_are_shared_by_weight() -> None:
    servers = [Server("a:1"), Server("b:1", weight=3.0)]
    first = Counter(ranked(key, servers)[0].address for key in KEYS)
    # 3000 expected; 4 standard deviations are 110.
    assert abs(first["b:1"] - 3000) < 110, first


def test_only_the_rooms_of_a_server_that_goes_move() -> None:
    left = [server for server in SERVERS if server is not SERVERS[2]]
    moved = [key for key in KEYS if ranked(key, SERVERS)[0] != ranked(key, left)[0]]
    assert moved == [key for key in KEYS if ranked(key, SERVERS)[0] is SERVERS[2]]
    # They go to the next in their order, so that they are shared among all that stay.
    assert all(
        ranked(key, left) == [each for each in ranked(key, SERVERS) if each in left] for key in KEYS[:50]
    )
    assert len({ranked(key, left)[0] for key in moved}) == 4


@pytest.mark.parametrize("room", ["Anna and Bob", "приватно", "a\nb", "x" * 10_000])
def test_a_key_is_fit_for_a_header_and_does_not_show_the_room(room: str) -> None:
    key = room_key(room)
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert room not in key


def test_a_stream_without_a_room_has_no_key() -> None:
    assert room_key("") == ""
