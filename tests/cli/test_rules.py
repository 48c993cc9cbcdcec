"""`gifcue rules check` uses the book, the labels and the folder of GIFs of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gestures import gesture

from .conftest import Gifcue

BOOK = """\
version: 1
gifs: {{a: {{url: /gifs/{file}, title: {title}}}}}
rules: [{{label: wave, gifs: [a]}}]
rooms: {{x: {{without: [{without}]}}}}
"""


def write(folder: Path, *, file: str = "wave_1.gif", title: str = "t", without: str = "smile") -> Path:
    path = folder / "book.yaml"
    path.write_text(BOOK.format(file=file, title=title, without=without), encoding="utf-8")
    return path


def config(folder: Path, text: str) -> Path:
    path = folder / "gifcue.toml"
    path.write_text(text, encoding="utf-8")
    return path


def on_one_line(text: str) -> str:
    return text.replace("\n", "")


def test_the_book_of_the_configuration_is_checked(gifcue: Gifcue, tmp_path: Path) -> None:
    book = write(tmp_path, without="smlie")
    settings = config(tmp_path, f'[rules]\nbook = "{book}"\n')
    result = gifcue("rules", "check", "-c", settings)
    assert result.exit_code == 1
    assert f"{book}:4:" in on_one_line(result.stderr)
    assert "smlie" in result.stderr
    write(tmp_path)
    result = gifcue("rules", "check", "-c", settings)
    assert (result.exit_code, f"{book}: no mistakes" in on_one_line(result.stdout)) == (0, True)


def test_a_named_book_is_checked_in_place_of_the_configured_one(gifcue: Gifcue, tmp_path: Path) -> None:
    settings = config(tmp_path, '[rules]\nbook = "none.yaml"\n')
    assert gifcue("rules", "check", write(tmp_path), "-c", settings).exit_code == 0
    missing = gifcue("rules", "check", "-c", settings)
    assert (missing.exit_code, "none.yaml" in missing.stderr) == (2, True)


def test_a_room_cannot_exclude_an_unknown_label(gifcue: Gifcue, tmp_path: Path) -> None:
    result = gifcue("rules", "check", write(tmp_path, without="smlie"))
    assert result.exit_code == 1
    assert "did you mean smile?" in on_one_line(result.stderr)


def test_a_label_of_the_configuration_is_known(gifcue: Gifcue, tmp_path: Path) -> None:
    settings = config(tmp_path, '[reactions.labels.victory]\nkind = "hand"\n')
    book = write(tmp_path, without="victory")
    assert gifcue("rules", "check", book).exit_code == 1
    assert gifcue("rules", "check", book, "-c", settings).exit_code == 0


def test_a_custom_gesture_of_the_configuration_is_known(gifcue: Gifcue, tmp_path: Path) -> None:
    (tmp_path / "fan.json").write_bytes(gesture("fan").as_json())
    settings = config(tmp_path, f'[detect]\ngestures_dir = "{tmp_path}"\n')
    assert gifcue("rules", "check", write(tmp_path, without="fan"), "-c", settings).exit_code == 0


def test_gifs_are_looked_for_in_the_folder_that_would_be_served(gifcue: Gifcue, tmp_path: Path) -> None:
    book = write(tmp_path, file="mine.gif")
    settings = config(tmp_path, f'[rules]\ngifs = "{tmp_path}"\n')
    # Without a configuration the folder is not known.
    assert gifcue("rules", "check", book).exit_code == 0
    result = gifcue("rules", "check", book, "-c", settings)
    assert (result.exit_code, "/gifs/mine.gif" in on_one_line(result.stderr)) == (1, True)
    (tmp_path / "mine.gif").touch()
    assert gifcue("rules", "check", book, "-c", settings).exit_code == 0


def test_gifs_are_not_looked_for_without_an_http_port(gifcue: Gifcue, tmp_path: Path) -> None:
    settings = config(tmp_path, '[server]\nhttp_listen = ""\n')
    assert gifcue("rules", "check", write(tmp_path, file="mine.gif"), "-c", settings).exit_code == 0


def test_a_missing_folder_of_gifs_is_a_mistake_of_the_configuration(gifcue: Gifcue, tmp_path: Path) -> None:
    settings = config(tmp_path, f'[rules]\ngifs = "{tmp_path / "none"}"\n')
    result = gifcue("rules", "check", write(tmp_path), "-c", settings)
    assert (result.exit_code, "rules.gifs: expected a folder" in result.stderr) == (2, True)


@pytest.mark.parametrize("title", ["2024-13-45", "0x_", "!!bool abc", "9" * 5000], ids=lambda text: text[:10])
def test_an_invalid_scalar_is_reported_without_a_traceback(
    gifcue: Gifcue, tmp_path: Path, title: str
) -> None:
    book = write(tmp_path, title=title)
    result = gifcue("rules", "check", book)
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert f"{book}:2:" in on_one_line(result.stderr)


def test_a_toml_book_is_refused_with_the_solution(gifcue: Gifcue, tmp_path: Path) -> None:
    book = tmp_path / "book.toml"
    book.write_text("version = 1\n", encoding="utf-8")
    result = gifcue("rules", "check", book)
    assert (result.exit_code, "write the TOML book as YAML" in on_one_line(result.stderr)) == (2, True)
