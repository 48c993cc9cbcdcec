"""Cooldowns of rules that a client brings from another server."""

from __future__ import annotations

from gifcue.rules import Chooser, RuleBook, Withheld
from gifcue.rules.claims import NO_CLAIMS, Brought, Claims

BOOK = RuleBook.model_validate(
    {
        "version": 1,
        "defaults": {"participant_cooldown_s": 10.0, "room_cooldown_s": 2.0},
        "gifs": {"bear": {"url": "/gifs/bear.gif", "title": "A bear"}},
        "rules": [{"id": "bears", "label": "smile", "gifs": ["bear"]}],
    }
)


def withheld(chooser: Chooser, now_s: float, brought: Brought, name: str = "ada") -> Withheld | None:
    return chooser.choose("smile", 0.9, "room", name, now_s, brought).withheld


def test_a_claim_holds_for_the_participant_as_long_as_it_says() -> None:
    chooser = Chooser(BOOK)
    brought = Brought(participant=Claims(100.0, {"bears": 4.0, "of another book": 60.0}))
    assert withheld(chooser, 103.9, brought) is Withheld.PARTICIPANT_COOLDOWN
    assert withheld(chooser, 103.9, Brought(), "bob") is None
    assert withheld(chooser, 106.0, brought) is None


def test_a_claim_holds_for_the_room() -> None:
    chooser = Chooser(BOOK)
    brought = Brought(room=Claims(100.0, {"bears": 1.5}))
    assert withheld(chooser, 101.4, brought) is Withheld.ROOM_COOLDOWN
    assert withheld(chooser, 101.6, brought) is None


def test_a_claim_is_clipped_to_the_rules_own_cooldown() -> None:
    chooser = Chooser(BOOK)
    brought = Brought(Claims(100.0, {"bears": 4e6}), Claims(100.0, {"bears": 4e6}))
    assert withheld(chooser, 109.9, brought) is Withheld.PARTICIPANT_COOLDOWN
    assert withheld(chooser, 110.1, brought) is None


def test_a_claim_never_shortens_a_cooldown_in_force() -> None:
    chooser = Chooser(BOOK)
    assert withheld(chooser, 100.0, Brought()) is None
    assert withheld(chooser, 105.0, Brought(Claims(104.0, {"bears": 0.0}))) is Withheld.PARTICIPANT_COOLDOWN


def test_claims_take_no_room_in_the_memory_of_others() -> None:
    chooser = Chooser(BOOK, remembered=2)
    for number in range(10):
        brought = Brought(Claims(100.0, {f"rule {each}": 9.0 for each in range(256)} | {"bears": 9.0}))
        withheld(chooser, 101.0, brought, f"p{number}")
    assert chooser.remembered == 0


def test_a_choice_states_the_cooldowns_that_it_starts() -> None:
    choice = Chooser(BOOK).choose("smile", 0.9, "room", "ada", 0.0)
    assert (choice.participant_cooldown_s, choice.room_cooldown_s) == (10.0, 2.0)
    assert NO_CLAIMS.left_s("bears", 10.0, 0.0) == 0.0
