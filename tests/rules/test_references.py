from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.errors import ConfigError
from gifcue.rules import default_book_path, gifs_folder, load_book
from gifcue.rules.book import Gif, Rule, RuleBook, WeightedGif
from gifcue.rules.references import missing_files, origins_of, unknown_labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "gifs"
    (folder / "more").mkdir(parents=True)
    for name in ("a.gif", "two words.gif", "more/b.gif"):
        (folder / name).touch()
    (tmp_path / "outside.gif").touch()
    (folder / "out.gif").symlink_to(tmp_path / "outside.gif")
    (folder / "in.gif").symlink_to(folder / "a.gif")
    (folder / "circle.gif").symlink_to(folder / "circle.gif")
    return folder


def is_missing(url: str, folder: Path) -> bool:
    return list(missing_files({"gifs": {"x": {"url": url}}}, folder)) == [(("gifs", "x", "url"), url)]


@pytest.mark.parametrize(
    "url",
    [
        "/gifs/a.gif",
        "/gifs/two%20words.gif",
        "/gifs/more/b.gif",
        "/gifs/in.gif",
        "/gifs/a.gif?v=2#top",
        "/pictures/none.gif",  # not a path of gifcue; a proxy in front may answer it
        "https://media.example.org/gifs/none.gif",
    ],
)
def test_files_in_the_folder_and_addresses_of_other_servers_are_not_missing(folder: Path, url: str) -> None:
    assert not is_missing(url, folder)


@pytest.mark.parametrize(
    "url",
    [
        "/gifs/none.gif",
        "/gifs/A.GIF",
        "/gifs/more",
        "/gifs/",
        "/gifs/../outside.gif",
        "/gifs/%2e%2e/outside.gif",
        "/gifs//etc/hosts",
        "/gifs/out.gif",
        "/gifs/circle.gif",
        "/gifs/a%00.gif",
        f"/gifs/{'a' * 2000}",
    ],
    ids=lambda url: url[:30],
)
def test_files_that_the_folder_cannot_serve_are_missing(folder: Path, url: str) -> None:
    assert is_missing(url, folder)


def test_all_gifs_of_the_default_book_exist() -> None:
    assert list(missing_files(load_book().model_dump(), gifs_folder())) == []


def test_a_file_in_place_of_the_folder_of_gifs_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"rules\.gifs: expected a folder, got .*book\.yaml"):
        gifs_folder(default_book_path())


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"gifs": [], "rules": {}, "rooms": []},
        {"gifs": {"a": 1, "b": {"url": 1}}, "rules": [1, {"label": []}], "rooms": {"r": 1}},
        {"rooms": {"r": {"without": 1, "rules": 1}, "s": {"without": [[], 1]}}},
    ],
)
def test_values_of_the_wrong_type_are_passed_over(values: object, folder: Path) -> None:
    assert list(unknown_labels(values, ["wave"])) == []
    assert list(missing_files(values, folder)) == []


def book_of(*urls: str) -> RuleBook:
    gifs = {f"gif-{number}": Gif(url=url, title="A GIF") for number, url in enumerate(urls)}
    return RuleBook(version=1, gifs=gifs, rules=[Rule(label="smile", gifs=[WeightedGif(gif="gif-0")])])


def test_the_sites_of_a_book_are_named_once_without_their_paths() -> None:
    urls = (
        "/gifs/a.gif",
        "https://GIFS.example.org/a.gif",
        "https://gifs.example.org/b.gif?x=1",
        "http://10.0.0.1:8080/c.gif",
        "https://[2001:db8::1]:8443/d.gif",
    )
    assert origins_of(book_of(*urls)) == {
        "https://gifs.example.org",
        "http://10.0.0.1:8080",
        "https://[2001:db8::1]:8443",
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org;script-src/a.gif",
        "https://example.org,evil.org/a.gif",
        "https://user:secret@example.org/a.gif",
        "https://exa'mple.org/a.gif",
        "https://example.org:123456/a.gif",
    ],
)
def test_an_address_that_would_change_a_policy_is_left_out(url: str) -> None:
    assert origins_of(book_of(url)) == frozenset()
