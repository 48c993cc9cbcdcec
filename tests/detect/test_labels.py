from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.detect.labels import parse_label_map, read_label_map, write_label_map
from gifcue.errors import ModelError


def test_names_are_ordered_by_id_and_comments_are_ignored() -> None:
    text = """# a comment { id: 9 }
    item { name: 'b' id: 2 }
    item {
      id: 1  # first
      name: "a"
      display_name: "A"
    }"""
    assert parse_label_map(text).names == ("a", "b")


def test_a_written_map_is_read_as_the_same() -> None:
    labels = parse_label_map('item { id: 1 name: "a" } item { id: 7 name: "b" }')
    assert parse_label_map(write_label_map(labels)) == labels
    assert labels.id_of("b") == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected items, got none"),
        ('item { name: "a" }', "expected an item with id and name"),
        ('item { id: 0 name: "a" }', "expected an id of 1 or more"),
        ('item { id: 1 name: "a" } item { id: 1 name: "b" }', "once"),
        ('item { id: 1 name: "a" } item { id: 2 name: "a" }', "once"),
    ],
)
def test_a_malformed_map_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_label_map(text)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a label map"):
        read_label_map(tmp_path / "label_map.pbtxt")
