from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gifcue.rules import RuleBook, load_book


def book(**changes: Any) -> RuleBook:
    values: dict[str, Any] = {
        "version": 1,
        "gifs": {name: {"url": f"/gifs/{name}.gif", "title": name} for name in ("a", "b", "c")},
        "rules": [{"label": "wave", "gifs": ["a", {"gif": "b", "weight": 3}]}],
    }
    return RuleBook.model_validate({**values, **changes})


def test_a_name_alone_is_a_gif_of_weight_one() -> None:
    rule = book().rules[0]
    assert [(each.gif, each.weight) for each in rule.gifs] == [("a", 1.0), ("b", 3.0)]
    assert rule.id == "wave"


def test_rules_are_tried_by_priority_and_then_in_the_order_of_the_book() -> None:
    rules = [
        {"id": "low", "label": "wave", "gifs": ["a"], "priority": -1},
        {"id": "first", "label": "wave", "gifs": ["a"]},
        {"id": "other", "label": "smile", "gifs": ["a"], "priority": 9},
        {"id": "second", "label": "wave", "gifs": ["a"]},
        {"id": "high", "label": "wave", "gifs": ["a"], "priority": 5},
    ]
    found = book(rules=rules).rules_for("", "wave")
    assert [rule.id for rule in found] == ["high", "first", "second", "low"]


def test_a_rooms_rule_replaces_the_one_with_its_id_or_is_added() -> None:
    rooms = {
        "r": {
            "rules": [
                {"label": "wave", "gifs": ["c"]},
                {"id": "more", "label": "wave", "gifs": ["b"], "priority": 1},
            ]
        }
    }
    made = book(rooms=rooms)
    assert [(rule.id, rule.gifs[0].gif) for rule in made.rules_for("r", "wave")] == [
        ("more", "b"),
        ("wave", "c"),
    ]
    assert [(rule.id, rule.gifs[0].gif) for rule in made.rules_for("s", "wave")] == [("wave", "a")]


def test_a_room_overrides_quiet_of_the_book() -> None:
    made = book(quiet=True, rooms={"r": {"quiet": False}, "s": {}})
    assert (made.is_quiet("r"), made.is_quiet("s"), made.is_quiet("t")) == (False, True, True)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//host/a.gif", "gifs/a.gif", "http://", "/a b.gif", ""]
)
def test_a_url_is_http_or_a_path(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        book(gifs={"a": {"url": url, "title": "a"}}, rules=[])


def test_a_rule_with_an_unknown_gif_is_refused_without_a_file_too() -> None:
    with pytest.raises(ValidationError, match=r"rules\[0\]\.gifs\[0\]: expected one of a, b, c; got 'd'"):
        book(rules=[{"label": "wave", "gifs": ["d"]}])


def test_the_default_book_answers_every_reaction_of_the_default_policy() -> None:
    assert set(load_book().labels) == {"smile", "thinking", "wave", "ok_hand", "thumbs_up"}
    assert all(len(rule.gifs) >= 2 for rule in load_book().rules)
