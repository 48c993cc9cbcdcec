from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gifcue.errors import ConfigError
from gifcue.rules import check_book, default_book_path, load_book
from gifcue.rules.load import parse_book

BROKEN_BOOK = """\
version: 1
gifs:
  a: {url: "javascript:x", title: t}
  b:
    url: /gifs/b.gif
    titel: x
rules:
  - label: wave
    gifs: [a, zz]
    min_score: 1.5
  - label: wave
    gifs:
      - gif: a
        weight: 0
  - label: yes
    gifs: []
room: {}
"""

DIGITS = "9" * 5000
MANY_HEX_DIGITS = f"0x{'f' * 5000}"
BOOK = """\
version: 1
gifs: {{a: {{url: /gifs/a.gif, title: t}}}}
rules: [{{label: wave, gifs: [a]}}]
{more}
"""


def write(folder: Path, text: str, name: str = "book.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_mistake_of_a_yaml_book_is_named_by_line(tmp_path: Path) -> None:
    found = check_book(write(tmp_path, BROKEN_BOOK))
    assert [(each.line, each.where) for each in found] == [
        (3, "gifs.a.url"),
        (4, "gifs.b.title"),
        (6, "gifs.b.titel"),
        (9, "rules[0].gifs[1]"),
        (10, "rules[0].min_score"),
        (11, "rules[1]"),
        (14, "rules[1].gifs[0].weight"),
        (15, "rules[2].label"),
        (16, "rules[2].gifs"),
        (17, "room"),
    ]
    assert [each.message for each in found if each.line in (6, 9, 10, 15, 16)] == [
        "expected one of url, title, media_type, video_url; got 'titel' (did you mean title?)",
        "expected one of a, b; got 'zz'",
        "expected less than or equal to 1, got 1.5",
        "expected text, in quotes where it could be anything else, got True",
        "expected at least one entry, got []",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected a rule book, got an empty file"),
        ("version: 1\nrules: [\n", 3, "expected YAML: while parsing a flow node"),
        ("version: 1\nversion: 1\n", 2, "expected this once, got it again"),
        ("a: &x [1]\nb: *x\n", 2, "expected no alias, got *x"),
        ("version: 1\n---\nversion: 1\n", 2, "expected YAML: expected a single document"),
        ("version: 1\n7: x\n", 2, "expected text as a key, got '7'"),
        ("version: 1\nrules: !!python/object:os.system []\n", 2, "expected no tag, got tag:yaml.org"),
        ("- 1\n", 1, "expected a table of keys and values"),
        ("version: 2\ngifs: {}\nrules: []\n", 1, "expected 1, got 2"),
        ("version: 1\ngifs: {}\nrules: []\ndefaults: {min_score: .nan}\n", 4, "expected a finite number"),
    ],
)
def test_a_text_that_is_not_a_book_has_a_mistake_with_a_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    found = check_book(write(tmp_path, text))
    assert any(each.line == line and each.message.startswith(message) for each in found), found


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("2024-13-45", "expected a date, got '2024-13-45': put text in quotes"),
        ("2024-01-01T00:00:00+99:99", "expected a date"),
        ("0x_", "expected a whole number, got '0x_'"),
        ("0b_", "expected a whole number, got '0b_'"),
        ("!!int abc", "expected a whole number, got 'abc'"),
        ("!!float abc", "expected a number, got 'abc'"),
        ("!!bool abc", "expected true or false, got 'abc'"),
        ("!!timestamp abc", "expected a date, got 'abc'"),
        ("!!binary a", "expected base64, got 'a'"),
        ("!!python/name:os.system x", "expected no tag, got tag:yaml.org,2002:python/name:os.system"),
        ("=", "expected a value, got '='"),
        ('"\\ud800"', "expected characters, got half of one: '\\ud800'"),
    ],
    ids=lambda value: value[:20],
)
def test_an_invalid_scalar_is_reported_with_all_other_mistakes(
    tmp_path: Path, scalar: str, expected: str
) -> None:
    gifs = f"gifs:\n  a:\n    url: /gifs/a.gif\n    title: {scalar}\n"
    text = f"version: 1\n{gifs}rules: []\nrooms: {{r: {{quite: 1}}}}\n"
    found = check_book(write(tmp_path, text))
    assert [(each.line, each.where) for each in found] == [(5, "gifs.a.title"), (7, "rooms.r.quite")]
    assert found[0].message.startswith(expected)
    assert len(found[0].message) < 200


@pytest.mark.parametrize("key", ["2024-13-45", "0x_", "!!bool abc", "? [2024-13-45]\n", '"\\ud800"', "<<"])
def test_an_invalid_key_is_a_mistake(tmp_path: Path, key: str) -> None:
    found = check_book(write(tmp_path, BOOK.format(more=f"{key}: 1")))
    assert {each.line for each in found} == {4}
    assert str(found).encode()  # it can be printed


@pytest.mark.parametrize(
    "value", [DIGITS, MANY_HEX_DIGITS, f"[{MANY_HEX_DIGITS}]"], ids=["decimal", "hex", "hex in a list"]
)
def test_a_number_of_thousands_of_digits_is_a_mistake(value: str) -> None:
    text = f"version: 1\n\ndry_run: {value}\n"
    book, found = parse_book(text.encode(), ".yaml")
    assert book is None
    assert 3 in [each.line for each in found]
    assert all(len(each.message) < 200 for each in found)


@pytest.mark.parametrize(
    "text",
    ['version: 1\ntitle: "\\UFFFFFFFF"\n', f"# a book\n%YAML 1.{DIGITS}\n---\nversion: 1\n"],
    ids=["escape", "directive"],
)
def test_too_many_digits_in_an_escape_or_a_directive_are_a_mistake_of_their_line(
    tmp_path: Path, text: str
) -> None:
    (mistake,) = check_book(write(tmp_path, text))
    assert mistake.line == 2
    assert mistake.message.startswith("expected YAML")


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "{" * 200_000, "- " * 100_000, "? " * 100_000, "a: " + "[" * 17],
    ids=["lists", "tables", "block lists", "keys", "one level too many"],
)
def test_a_book_nested_too_deeply_is_refused_before_it_is_read_to_its_end(text: str) -> None:
    # Parsing all of one of the first four takes hours.
    assert [str(each) for each in parse_book(text.encode(), ".yaml")[1]] == [
        "line 1: expected at most 16 levels, got more"
    ]


def test_sixteen_levels_are_read() -> None:
    (mistake,) = parse_book(f"version: 1\ngifs: {{}}\nrules: {'[' * 15}{']' * 15}\n".encode(), ".yaml")[1]
    assert mistake.message.startswith("expected a table of keys and values")


def test_every_alias_is_named_and_none_is_followed(tmp_path: Path) -> None:
    # Nine lines, each ten times the previous one: a billion values when expanded.
    lines = [
        f"a{number}: &a{number} [{', '.join(f'*a{number - 1}' for _ in range(10))}]"
        for number in range(1, 10)
    ]
    found = check_book(write(tmp_path, "\n".join(["a0: &a0 [x]", *lines])))
    assert {each.line for each in found} == set(range(2, 11))
    assert all(each.message.startswith("expected no alias, got *a") for each in found)


def test_an_anchor_without_an_alias_changes_nothing(tmp_path: Path) -> None:
    book = BOOK.format(more="rooms: &same {x: &same {}}")
    assert load_book(write(tmp_path, book)).rooms.keys() == {"x"}


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_a_word_that_some_libraries_take_for_a_truth_value_needs_quotes(tmp_path: Path, word: str) -> None:
    assert check_book(write(tmp_path, BOOK.format(more=f'rooms: {{x: {{without: ["{word}"]}}}}'))) == []
    (mistake,) = check_book(write(tmp_path, BOOK.format(more=f"rooms: {{x: {{without: [{word}]}}}}")))
    assert mistake.message.startswith("expected text, in quotes where it could be anything else, got ")


@pytest.mark.parametrize("character", ["\x01", "\x7f", "\ufffe"])
def test_a_control_character_is_named_by_its_line(tmp_path: Path, character: str) -> None:
    (mistake,) = check_book(write(tmp_path, BOOK.format(more=f"# a {character} in a comment")))
    assert str(mistake) == f"line 4: expected text, got the character U+{ord(character):04X}"


def test_an_id_is_named_every_time_that_it_comes_again(tmp_path: Path) -> None:
    rule = "  - {label: wave, gifs: [a]}\n"
    text = "version: 1\ngifs: {a: {url: /gifs/a.gif, title: t}}\nrules:\n" + 3 * rule
    assert [each.line for each in check_book(write(tmp_path, text))] == [5, 6]


def test_bytes_that_are_not_utf_8_are_named_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_bytes(b"version: 1\ntitle: \xff\n")
    assert [str(each) for each in check_book(path)] == ["line 2: expected UTF-8, got the byte 0xff"]


def test_a_book_too_large_is_refused() -> None:
    assert parse_book(b"#" * (1024 * 1024 + 1), ".yaml")[1][0].message.startswith(
        "expected at most 262144 bytes"
    )


def test_a_book_of_too_many_values_is_refused_at_the_line_of_the_first_too_many() -> None:
    (mistake,) = parse_book(b"- a\n" * 40_000, ".yaml")[1]
    assert (mistake.line, mistake.message) == (32_768, "expected YAML: at most 32768 values, got more")


def test_load_names_file_and_line_of_all_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path, BROKEN_BOOK)
    with pytest.raises(ConfigError) as caught:
        load_book(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 10
    assert lines[0].startswith(f"{path}:3: gifs.a.url: expected an http://")


def test_a_missing_file_and_an_unknown_suffix_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_book(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"\.yaml or \.yml, got '\.json'"):
        check_book(write(tmp_path, "{}", "book.json"))


def test_a_toml_book_is_refused_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.yaml or \.yml, got '\.toml': write the TOML book as YAML"):
        load_book(write(tmp_path, "version = 1\n", "book.toml"))


def test_unknown_labels_are_mistakes_if_the_labels_are_given() -> None:
    path = default_book_path()
    assert check_book(path) == []
    found = check_book(path, ["smile", "wave", "ok_hand", "thinking"])
    assert [each.message for each in found] == [
        "expected one of ok_hand, smile, thinking, wave; got 'thumbs_up'"
    ]
    line = path.read_text(encoding="utf-8").splitlines()[found[0].line - 1]
    assert line.strip() == "- label: thumbs_up"


def test_labels_are_checked_in_rooms_and_beside_other_mistakes(tmp_path: Path) -> None:
    text = """\
version: 1
gifs: {a: {url: /gifs/a.gif, title: t}}
rules:
  - {label: wafe, gifs: [a]}
  - {label: 7, gifs: [a, nope]}
rooms:
  x:
    without: [smlie, wave]
    rules: [{label: smile, gifs: [a]}, {id: more, label: dance, gifs: [a]}]
  y: {without: smile}
"""
    found = check_book(write(tmp_path, text), ["smile", "wave"])
    assert [(each.line, each.where) for each in found] == [
        (4, "rules[0].label"),
        (5, "rules[1].gifs[1]"),
        (5, "rules[1].label"),
        (8, "rooms.x.without[0]"),
        (9, "rooms.x.rules[1].label"),
        (10, "rooms.y.without"),
    ]
    assert found[0].message == "expected one of smile, wave; got 'wafe' (did you mean wave?)"
    assert found[3].message == "expected one of smile, wave; got 'smlie' (did you mean smile?)"
    assert found[4].message == "expected one of smile, wave; got 'dance'"


def test_missing_files_are_mistakes_if_the_folder_is_given(tmp_path: Path) -> None:
    text = """\
version: 1
gifs:
  a: {url: /gifs/a.gif, title: t}
  b:
    url: https://media.example.org/b.gif
    title: t
    video_url: /gifs/b.mp4
rules: []
"""
    path = write(tmp_path, text)
    assert check_book(path) == []
    found = check_book(path, gifs=tmp_path)
    assert [str(each) for each in found] == [
        f"line 3: gifs.a.url: expected a file in {tmp_path}; got '/gifs/a.gif'",
        f"line 7: gifs.b.video_url: expected a file in {tmp_path}; got '/gifs/b.mp4'",
    ]
    for name in ("a.gif", "b.mp4"):
        (tmp_path / name).touch()
    assert check_book(path, gifs=tmp_path) == []


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_book_or_has_mistakes(text: str) -> None:
    book, mistakes = parse_book(text.encode(), ".yaml")
    assert (book is None) == bool(mistakes)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["version", "gifs", "rules", "rooms", "defaults", "quiet"])


@settings(deadline=None)
@given(st.dictionaries(keys, values))
def test_any_values_in_a_books_keys_are_a_book_or_have_mistakes(content: dict[str, object]) -> None:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(content, stream)
    text = stream.getvalue()
    book, mistakes = parse_book(text.encode(), ".yaml")
    assert (book is None) == bool(mistakes)
    assert all(1 <= each.line <= text.count("\n") + 1 for each in mistakes)


def test_a_video_beside_a_gif_is_an_address_too(tmp_path: Path) -> None:
    text = """\
version: 1
gifs:
  a:
    url: /gifs/a.gif
    title: t
    video_url: "file:///a.mp4"
rules: []
"""
    (mistake,) = check_book(write(tmp_path, text))
    assert (mistake.line, mistake.where) == (6, "gifs.a.video_url")
    assert mistake.message.startswith("expected an http:// or https:// address")
    book = load_book(write(tmp_path, text.replace("file://", "https://media.example.org")))
    assert book.gifs["a"].video_url == "https://media.example.org/a.mp4"
