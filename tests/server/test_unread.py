"""The bytes that WebSockets together may leave unread."""

from __future__ import annotations

import pytest

from gifcue.server.unread import Meter, UnreadBytes


@pytest.fixture
def cut() -> list[str]:
    return []


def meter(unread: UnreadBytes, cut: list[str], name: str) -> Meter:
    return unread.meter(lambda: cut.append(name))


def test_the_fullest_connection_is_cut_off(cut: list[str]) -> None:
    unread = UnreadBytes(100, on_cut=lambda: cut.append("counted"))
    small, large = meter(unread, cut, "small"), meter(unread, cut, "large")
    large.add(60)
    small.add(40)
    assert cut == []
    small.add(1)
    assert cut == ["counted", "large"]
    assert unread.total == 41
    # What still comes of it is not counted.
    large.add(1000)
    assert unread.total == 41


def test_what_is_read_no_longer_counts(cut: list[str]) -> None:
    unread = UnreadBytes(100)
    one = meter(unread, cut, "one")
    for _ in range(1000):
        one.add(90)
        one.take(80, 0)
        one.take(10, 0)
    assert (unread.total, cut) == (0, [])


def test_headers_of_frames_do_not_add_up(cut: list[str]) -> None:
    unread = UnreadBytes(1000)
    one = meter(unread, cut, "one")
    for _ in range(1000):
        one.add(106)
        one.take(100, 106)
    assert unread.total <= 106
    assert cut == []


def test_a_connection_that_ends_gives_back_what_it_held(cut: list[str]) -> None:
    unread = UnreadBytes(100)
    one = meter(unread, cut, "one")
    one.add(50)
    one.close()
    one.close()
    assert unread.total == 0
