"""The places of stills, without processes."""

from __future__ import annotations

import pytest

from gifcue.errors import Overloaded, TooManyRequests
from gifcue.media.still_admission import StillAdmission
from gifcue.media.still_settings import StillSettings
from gifcue.media.suspects import FIRST_PAUSE_S, Suspects
from tests.support.manual_time import ManualTime

MIB = 1024 * 1024


class Kit:
    """Admission of four stills, two of one caller, of 2 MiB at most."""

    def __init__(self, max_waiting_bytes: int = 64 * MIB) -> None:
        settings = StillSettings(
            max_waiting=4, max_waiting_per_caller=2, max_waiting_bytes=max_waiting_bytes, timeout_s=10.0
        )
        self.time = ManualTime()
        self.suspects: Suspects[str] = Suspects(self.time.clock, 8)
        self.admission = StillAdmission(settings, 2 * MIB, self.suspects, self.time.clock)


def test_a_place_counts_until_it_is_closed() -> None:
    kit = Kit()
    with kit.admission.enter("alice", 100) as place:
        assert (kit.admission.count, kit.admission.bytes) == (1, 100)
        assert place.deadline_s == kit.time.clock() + 10.0
    place.close()
    assert (kit.admission.count, kit.admission.bytes) == (0, 0)


def test_one_caller_does_not_take_the_places_of_others() -> None:
    kit = Kit()
    for _ in range(2):
        kit.admission.enter("alice")
    with pytest.raises(TooManyRequests, match="at most 2 stills of one caller") as caught:
        kit.admission.enter("alice")
    assert caught.value.retry_after_ms == 1000
    kit.admission.enter("bob")
    assert kit.admission.refused == {"too_many_of_caller": 1}


def test_all_callers_together_are_bounded() -> None:
    kit = Kit()
    places = [kit.admission.enter(caller) for caller in ("alice", "bob", "carol", "dan")]
    with pytest.raises(Overloaded, match="at most 4 stills at once") as caught:
        kit.admission.enter("eve")
    assert type(caught.value) is Overloaded
    places[0].close()
    kit.admission.enter("eve")


def test_bytes_are_set_aside_before_they_arrive_and_given_back() -> None:
    kit = Kit(max_waiting_bytes=3 * MIB)
    unknown = kit.admission.enter("alice")
    with pytest.raises(Overloaded, match="at most 3145728 bytes"):
        kit.admission.enter("bob")
    unknown.received(1000)
    unknown.received(5000)
    assert kit.admission.bytes == 1000
    kit.admission.enter("bob")
    assert kit.admission.refused == {"too_many_bytes": 1}


def test_one_still_of_the_largest_size_is_always_accepted() -> None:
    kit = Kit(max_waiting_bytes=MIB)
    # A larger one is refused by its size later; it must not count as more than it may be.
    kit.admission.enter("alice", 500 * MIB)
    assert kit.admission.bytes == 2 * MIB


def test_a_caller_whose_stills_cost_decoders_has_to_wait() -> None:
    kit = Kit()
    kit.suspects.accuse("alice")
    kit.admission.enter("alice").close()
    kit.suspects.accuse("alice")
    with pytest.raises(TooManyRequests, match=f"in {FIRST_PAUSE_S:g} s") as caught:
        kit.admission.enter("alice")
    assert caught.value.retry_after_ms == FIRST_PAUSE_S * 1000
    kit.admission.enter("bob").close()
    kit.time.advance(FIRST_PAUSE_S)
    kit.admission.enter("alice").close()
    assert kit.admission.refused == {"caller_paused": 1}
