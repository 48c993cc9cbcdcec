from __future__ import annotations

from pathlib import Path

import pytest

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.parts import Part, check_parts, parse_part, read_parts


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("p000..p199", ("p000", "p042", "p199"), ("p200", "q001", "p", "anna")),
        ("p2..p10", ("p2", "p9", "p10"), ("p1", "p11")),
        ("anna", ("anna",), ("anna2", "Anna")),
        ("office-*", ("office-1", "office-"), ("office", "home-1")),
    ],
)
def test_which_groups_a_part_holds(pattern: str, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    part = parse_part(f"some = {pattern}, zoe")
    assert part.name == "some"
    assert all(part.holds(group) for group in (*inside, "zoe"))
    assert not any(part.holds(group) for group in outside)


@pytest.mark.parametrize("text", ["webcams", "=p1", "webcams=", "webcams=p1,,p2", "x=p9..p1", "x=..p1"])
def test_a_part_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="expected"):
        parse_part(text)


def test_a_file_of_parts(tmp_path: Path) -> None:
    path = tmp_path / "parts.toml"
    path.write_text('[parts]\nfirst = ["p000..p199"]\nothers = ["q*", "r1"]\n')
    assert read_parts(path) == (Part("first", ("p000..p199",)), Part("others", ("q*", "r1")))


@pytest.mark.parametrize(
    "text", ["", "parts = 3", "[parts]", '[parts]\na = "p1"', "[parts]\na = [1]", "[par"]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parts.toml"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"parts\.toml: .*expected"):
        read_parts(path)
    with pytest.raises(DatasetError, match="expected a TOML file of parts, got"):
        read_parts(tmp_path / "none.toml")


def test_parts_that_hold_nothing_and_names_used_twice_are_mistakes() -> None:
    first, second = parse_part("a=p1"), parse_part("b=p7..p9")
    assert check_parts([first], ["p1", "p2", "p2"]) == ("p2",)
    with pytest.raises(DatasetError, match=r"part b: expected a group that matches p7\.\.p9, got 2 groups"):
        check_parts([first, second], ["p1", "p2"])
    with pytest.raises(DatasetError, match="'a' twice"):
        check_parts([first, first], ["p1"])
