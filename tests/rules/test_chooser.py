from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue.rules import Chooser, RuleBook, Withheld

GIFS = {name: {"url": f"/gifs/{name}.gif", "title": name} for name in ("a", "b", "c")}
FREE = {"participant_cooldown_s": 0, "room_cooldown_s": 0}


def book(*rules: dict[str, Any], **changes: Any) -> RuleBook:
    given_rules = list(rules) or [{"label": "wave", "gifs": ["a", "b", "c"]}]
    return RuleBook.model_validate(
        {"version": 1, "gifs": GIFS, "rules": given_rules, "defaults": FREE, **changes}
    )


def names(chooser: Chooser, count: int, room: str = "r") -> list[str | None]:
    choices = [chooser.choose("wave", 0.9, room, "p", float(second)) for second in range(count)]
    return [choice.gif.id if choice.gif else None for choice in choices]


def test_the_same_seed_gives_the_same_gifs() -> None:
    assert names(Chooser(book(), 7), 50) == names(Chooser(book(), 7), 50)
    assert names(Chooser(book(), 7), 50) != names(Chooser(book(), 8), 50)


def test_the_choices_for_a_seed_never_change() -> None:
    # Fixed values, since a change of the draw would change the GIFs in every operator's rooms.
    assert names(Chooser(book(), 7), 6) == ["c", "b", "a", "c", "a", "c"]


def test_reactions_in_one_room_do_not_change_the_choices_in_another() -> None:
    alone, beside = Chooser(book(), 7), Chooser(book(), 7)
    names(beside, 10, "other")
    assert names(alone, 10) == names(beside, 10)


@settings(deadline=None)
@given(st.integers(), st.integers(2, 40))
def test_no_gif_comes_twice_in_a_row(seed: int, count: int) -> None:
    shown = names(Chooser(book(), seed), count)
    assert all(one != other for one, other in pairwise(shown))


def test_the_only_gif_may_come_again() -> None:
    assert names(Chooser(book({"label": "wave", "gifs": ["a"]})), 3) == ["a", "a", "a"]


def test_repeats_can_be_allowed() -> None:
    shown = names(Chooser(book({"label": "wave", "gifs": ["a", "b"], "allow_repeats": True})), 60)
    assert any(one == other for one, other in pairwise(shown))


def test_weights_are_shares() -> None:
    rule = {"label": "wave", "gifs": [{"gif": "a", "weight": 3}, "b"], "allow_repeats": True}
    counts = Counter(names(Chooser(book(rule), 1), 2000))
    assert counts["a"] == pytest.approx(1500, abs=80)


def test_a_score_that_is_too_low_for_a_rule_leaves_the_next_rule() -> None:
    sure = {"id": "sure", "label": "wave", "gifs": ["a"], "min_score": 0.9, "priority": 1}
    chooser = Chooser(book(sure, {"label": "wave", "gifs": ["b"], "min_score": 0.5}))
    choice = chooser.choose("wave", 0.7, "r", "p", 0.0)
    assert choice.gif is not None
    assert (choice.gif.id, choice.rule, choice.reason) == ("b", "wave", "rule wave")
    assert [(each.rule, each.taken, each.why) for each in choice.considered if each.gif is None] == [
        ("sure", False, "score 0.70 is below 0.90"),
        ("wave", True, "it answers"),
    ]
    none = chooser.choose("wave", 0.4, "r", "p", 1.0)
    assert none.gif is None
    assert none.reason == "rule sure: score 0.40 is below 0.90"


def test_a_participant_waits_for_its_cooldown_and_others_do_not() -> None:
    chooser = Chooser(book({"label": "wave", "gifs": ["a"], "participant_cooldown_s": 10}))
    assert chooser.choose("wave", 0.9, "r", "p", 0.0).gif is not None
    assert (
        chooser.choose("wave", 0.9, "r", "p", 9.9).reason
        == "rule wave: cooldown of the participant: 0.1 s left"
    )
    assert chooser.choose("wave", 0.9, "r", "q", 9.9).gif is not None
    assert chooser.choose("wave", 0.9, "s", "p", 9.9).gif is not None
    assert chooser.choose("wave", 0.9, "r", "p", 10.0).gif is not None


def test_a_room_waits_for_its_cooldown_and_other_rooms_do_not() -> None:
    chooser = Chooser(book({"label": "wave", "gifs": ["a"], "room_cooldown_s": 5}))
    assert chooser.choose("wave", 0.9, "r", "p", 0.0).gif is not None
    assert chooser.choose("wave", 0.9, "r", "q", 1.0).reason == "rule wave: cooldown of the room: 4.0 s left"
    assert chooser.choose("wave", 0.9, "s", "q", 1.0).gif is not None


def test_a_withheld_reaction_starts_no_cooldown() -> None:
    chooser = Chooser(book({"label": "wave", "gifs": ["a"], "min_score": 0.8, "participant_cooldown_s": 10}))
    assert chooser.choose("wave", 0.5, "r", "p", 0.0).gif is None
    assert chooser.choose("wave", 0.9, "r", "p", 1.0).gif is not None


def test_the_reason_names_quiet_rooms_excluded_labels_and_unknown_labels() -> None:
    rooms = {"quiet": {"quiet": True}, "without": {"without": ["wave"]}}
    chooser = Chooser(book(rooms=rooms))
    assert chooser.choose("wave", 0.9, "quiet", "p", 0.0).reason == "quiet: nothing is shown"
    assert chooser.choose("wave", 0.9, "without", "p", 0.0).reason == "this room goes without wave"
    assert chooser.choose("dance", 0.9, "r", "p", 0.0).reason == "no rule answers dance"


def test_a_dry_run_chooses_and_shows_nothing() -> None:
    choice = Chooser(book({"label": "wave", "gifs": ["a"], "priority": 3}, dry_run=True)).choose(
        "wave", 0.9, "r", "p", 0
    )
    assert choice.gif is None
    assert (choice.reason, choice.rule, choice.priority) == ("dry run: rule wave would show a", "wave", 3)


def test_a_new_book_keeps_the_cooldowns() -> None:
    chooser = Chooser(book({"label": "wave", "gifs": ["a"], "participant_cooldown_s": 10}))
    chooser.choose("wave", 0.9, "r", "p", 0.0)
    chooser.use(book({"label": "wave", "gifs": ["b"], "participant_cooldown_s": 20}))
    assert "15.0 s left" in chooser.choose("wave", 0.9, "r", "p", 5.0).reason


def test_withheld_reactions_are_counted_by_reason() -> None:
    rooms = {
        "quiet": {"quiet": True},
        "without": {"without": ["wave"]},
    }
    rule = {"label": "wave", "gifs": ["a"], "min_score": 0.5, "room_cooldown_s": 2}
    made = book({**rule, "participant_cooldown_s": 10}, rooms=rooms)
    chooser = Chooser(made)
    assert chooser.withheld == dict.fromkeys(Withheld, 0)
    expected: Counter[str] = Counter()
    for room, participant, score, now_s, label, reason in [
        ("r", "p", 0.9, 0.0, "wave", None),
        ("quiet", "p", 0.9, 0.0, "wave", "quiet"),
        ("without", "p", 0.9, 0.0, "wave", "without"),
        ("r", "p", 0.9, 0.0, "dance", "no_rule"),
        ("r", "p", 0.4, 0.0, "wave", "score"),
        ("r", "q", 0.9, 1.0, "wave", "room_cooldown"),
        ("r", "p", 0.9, 5.0, "wave", "participant_cooldown"),
        ("r", "p", 0.9, 6.0, "wave", "participant_cooldown"),
    ]:
        choice = chooser.choose(label, score, room, participant, now_s)
        assert choice.withheld == reason
        assert (choice.gif is None) == (reason is not None)
        expected.update([reason] if reason else [])
    chooser.use(made.model_copy(update={"dry_run": True}))
    assert chooser.choose("wave", 0.9, "r", "q", 20.0).withheld == "dry_run"
    assert chooser.withheld == {**expected, "dry_run": 1}


def test_of_several_rules_the_first_ones_reason_is_counted() -> None:
    sure = {"id": "sure", "label": "wave", "gifs": ["a"], "min_score": 0.9, "priority": 1}
    chooser = Chooser(book(sure, {"label": "wave", "gifs": ["b"], "room_cooldown_s": 5}))
    assert chooser.choose("wave", 0.7, "r", "p", 0.0).withheld is None
    assert chooser.choose("wave", 0.7, "r", "p", 1.0).withheld == "score"


def test_memory_is_bounded() -> None:
    chooser = Chooser(book(), remembered=10)
    for number in range(200):
        chooser.choose("wave", 0.9, f"r{number}", f"p{number}", float(number))
    assert chooser.remembered == 30


def test_a_choice_names_nobody() -> None:
    choice = Chooser(book()).choose("wave", 0.9, "secret-room", "secret-person", 0.0)
    assert "secret" not in repr(choice.as_dict())


def test_a_choice_carries_the_gifs_video() -> None:
    gifs = {**GIFS, "a": {**GIFS["a"], "video_url": "/gifs/a.mp4"}}
    rules = [{"label": "wave", "gifs": ["a"]}]
    choice = Chooser(book(*rules, gifs=gifs)).choose("wave", 0.9, "r", "p", 0.0)
    assert choice.gif is not None
    assert choice.gif.video_url == "/gifs/a.mp4"


def test_the_gif_of_a_gesture_answers_where_no_rule_does() -> None:
    chooser = Chooser(book(defaults={**FREE, "participant_cooldown_s": 10}))
    chooser.use_gestures({"fan": "b", "wave": "c", "horns": "none of the book"})
    taken = chooser.choose("fan", 0.9, "room", "ada", 0.0)
    assert taken.gif is not None
    assert (taken.gif.id, taken.rule) == ("b", "gesture fan")
    # Its cooldown is the book's default.
    assert chooser.choose("fan", 0.9, "room", "ada", 1.0).withheld is Withheld.PARTICIPANT_COOLDOWN
    assert chooser.choose("wave", 0.9, "room", "ada", 0.0).rule == "wave", "the book's rules come first"
    assert chooser.choose("horns", 0.9, "room", "ada", 0.0).withheld is Withheld.NO_RULE
    chooser.use_gestures({})
    assert chooser.choose("fan", 0.9, "room", "bob", 99.0).withheld is Withheld.NO_RULE
