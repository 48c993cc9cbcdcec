"""Which server a room gets, by what is known of the servers."""

from __future__ import annotations

import pytest

from gifcue.client import Server
from gifcue.client.exceptions import (
    InvalidRequest,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerTimeout,
    ServerUnavailable,
    StreamCancelled,
)
from gifcue.client.placement import BUSY_S, SUSPECT_S, Placement
from tests.support.manual_time import ManualTime

SERVERS = tuple(Server(f"10.0.0.{number}:50051") for number in range(1, 5))
KEY = "a room"


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def placement(time: ManualTime) -> Placement:
    placement = Placement(time.clock)
    placement.update(SERVERS)
    return placement


def test_a_room_goes_to_the_first_usable_server_of_its_order(placement: Placement, time: ManualTime) -> None:
    first, second, third, fourth = placement.order(KEY)
    assert placement.choose(KEY) == first
    placement.health(first, is_serving=False)
    assert placement.choose(KEY) == second
    placement.suspect(second)
    assert placement.choose(KEY) == third
    placement.ended(third, ServerBusy("RESOURCE_EXHAUSTED", "full", retry_after_s=3.0), was_ready=False)
    assert placement.choose(KEY) == fourth
    assert not placement.has_other({fourth})
    # Each comes back by itself: the first by its health, the others with time.
    time.advance(3.0)
    assert placement.choose(KEY) == third
    time.advance(SUSPECT_S - 3.0)
    assert placement.choose(KEY) == second
    placement.health(first, is_serving=True)
    assert placement.choose(KEY) == first


def test_an_answer_of_its_health_clears_a_suspect(placement: Placement) -> None:
    first = placement.order(KEY)[0]
    placement.suspect(first)
    assert not placement.is_usable(first)
    placement.health(first, is_serving=True)
    assert placement.is_usable(first)


def test_a_server_that_was_tried_is_chosen_last(placement: Placement) -> None:
    first, second, third, fourth = placement.order(KEY)
    assert placement.choose(KEY, {first}) == second
    assert placement.choose(KEY, {first, second, third}) == fourth
    assert placement.choose(KEY, set(SERVERS)) == first


def test_where_none_is_usable_the_one_that_may_be_asked_soonest_is_chosen(placement: Placement) -> None:
    first, second, third, fourth = placement.order(KEY)
    for server, seconds in ((first, 4.0), (second, 2.0), (third, 3.0), (fourth, 5.0)):
        placement.ended(server, ServerBusy("RESOURCE_EXHAUSTED", "full", seconds), was_ready=False)
    assert placement.choose(KEY) == second
    assert placement.busy_s() == 2.0
    placement.update((first, second, Server("10.0.0.9:1")))
    assert placement.busy_s() == 0.0


@pytest.mark.parametrize(
    ("problem", "was_ready", "usable_after_s"),
    [
        (ServerUnavailable("UNAVAILABLE", "lost"), True, SUSPECT_S),
        (ServerUnavailable("UNAVAILABLE", "not reached"), False, SUSPECT_S),
        (ServerUnavailable("UNAVAILABLE", "later", 2.0), False, 2.0),
        (ServerTimeout("DEADLINE_EXCEEDED", "no Ready"), False, SUSPECT_S),
        (ServerTimeout("DEADLINE_EXCEEDED", "idle"), True, 0.0),
        (ServerBusy("RESOURCE_EXHAUSTED", "full"), False, BUSY_S),
        (ServerBusy("RESOURCE_EXHAUSTED", "full", 7.0), False, 7.0),
        (ServerBusy("RESOURCE_EXHAUSTED", "unread events", 7.0), True, 0.0),
        (InvalidRequest("INVALID_ARGUMENT", "preset"), False, 0.0),
        (ServerFailed("INTERNAL", "a bug"), False, 0.0),
        (StreamCancelled("CANCELLED", "by this side"), True, 0.0),
    ],
)
def test_what_an_error_says_about_its_server(
    placement: Placement, time: ManualTime, problem: ServerError, was_ready: bool, usable_after_s: float
) -> None:
    server = SERVERS[0]
    placement.ended(server, problem, was_ready)
    assert placement.is_usable(server) is (usable_after_s == 0.0)
    time.advance(usable_after_s)
    assert placement.is_usable(server)


def test_what_is_known_survives_an_update(placement: Placement) -> None:
    first = placement.order(KEY)[0]
    placement.health(first, is_serving=False)
    placement.update((*SERVERS[1:], SERVERS[0], Server("10.0.0.9:50051")))
    assert not placement.is_usable(first)
    placement.update(tuple(each for each in SERVERS if each != first))
    assert first not in placement.servers
    # News of a server that is gone change nothing.
    placement.health(first, is_serving=True)
    placement.suspect(first)
    placement.update(SERVERS)
    assert placement.is_usable(first)
