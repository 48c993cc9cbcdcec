from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue.errors import ConfigError
from gifcue.rules import check_book, default_book_path, load_book
from gifcue.rules.load import parse_book

YAML = """\
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
TOML = """\
version = 1
[gifs.a]
url = "/gifs/a.gif"
title = "t"

[[rules]]
label = "wave"
gifs = ["a", "zz"]

[[rules]]
label = "smile"
gifs = [
  "a",
  { gif = "a", weight = -1 },
]

[[rooms."x.y".rules]]
label = "wave"
gifs = ["q"]
min_scor = 1
"""


def write(folder: Path, text: str, name: str = "book.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_mistake_of_a_yaml_book_is_named_by_line(tmp_path: Path) -> None:
    found = check_book(write(tmp_path, YAML))
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


def test_every_mistake_of_a_toml_book_is_named_by_the_line_of_its_key(tmp_path: Path) -> None:
    found = check_book(write(tmp_path, TOML, "book.toml"))
    assert [(each.line, each.where) for each in found] == [
        (8, "rules[0].gifs[1]"),
        (12, "rules[1].gifs[1].weight"),
        (19, "rooms.x.y.rules[0].gifs[0]"),
        (20, "rooms.x.y.rules[0].min_scor"),
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
def test_what_is_no_book_is_said_so(tmp_path: Path, text: str, line: int, message: str) -> None:
    found = check_book(write(tmp_path, text))
    assert any(each.line == line and each.message.startswith(message) for each in found), found


@pytest.mark.parametrize(
    ("text", "line"), [("version = 1\nrules = [\n", 3), ("version = 1\nversion = 2\n", 2), ("a = x\n", 1)]
)
def test_what_is_no_toml_is_said_so(tmp_path: Path, text: str, line: int) -> None:
    found = check_book(write(tmp_path, text, "book.toml"))
    assert [each.line for each in found] == [line]
    assert found[0].message.startswith("expected TOML")


def test_bytes_that_are_no_text_are_said_so(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_bytes(b"version: 1\ntitle: \xff\n")
    assert [str(each) for each in check_book(path)] == ["line 2: expected UTF-8, got the byte 0xff"]


def test_a_book_too_large_is_refused() -> None:
    assert parse_book(b"#" * (1024 * 1024 + 1), ".yaml")[1][0].message.startswith(
        "expected at most 1048576 bytes"
    )


def test_load_names_file_and_line_of_all_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path, YAML)
    with pytest.raises(ConfigError) as caught:
        load_book(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 10
    assert lines[0].startswith(f"{path}:3: gifs.a.url: expected an http://")


def test_a_missing_file_and_a_strange_suffix_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_book(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"\.yaml, \.yml or \.toml, got '\.json'"):
        check_book(write(tmp_path, "{}", "book.json"))


def test_labels_that_never_react_are_mistakes_where_they_are_known() -> None:
    path = default_book_path()
    assert check_book(path) == []
    found = check_book(path, ["smile", "wave", "ok_hand", "thinking"])
    assert [each.message for each in found] == [
        "expected one of ok_hand, smile, thinking, wave; got 'thumbs_up'"
    ]
    line = path.read_text(encoding="utf-8").splitlines()[found[0].line - 1]
    assert line.strip() == "- label: thumbs_up"


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    text = (
        'version = 1\n[gifs.a]\nurl = "/gifs/a.gif"\ntitle = "t"\n[[rules]]\nlabel = "wave"\ngifs = ["a"]\n'
    )
    same = "version: 1\ngifs: {a: {url: /gifs/a.gif, title: t}}\nrules: [{label: wave, gifs: [a]}]\n"
    assert load_book(write(tmp_path, text, "b.toml")) == load_book(write(tmp_path, same))


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from([".yaml", ".toml"]))
def test_any_text_is_a_book_or_has_mistakes(text: str, suffix: str) -> None:
    book, mistakes = parse_book(text.encode(), suffix)
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
    text = yaml.safe_dump(content)
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
