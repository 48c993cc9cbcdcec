from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gifcue.errors import ConfigError
from gifcue.rules import BookWatcher

BOOK = "version: 1\ngifs: {{a: {{url: /gifs/a.gif, title: {title}}}}}\nrules: [{{label: wave, gifs: [a]}}]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK.format(title="one"))
    return path


def test_an_unchanged_book_is_not_taken_again(path: Path) -> None:
    watcher = BookWatcher(path)
    assert not watcher.poll()
    path.touch()
    assert not watcher.poll()


def test_a_changed_book_is_taken_and_cooldowns_go_on(path: Path) -> None:
    watcher = BookWatcher(path)
    chooser = watcher.chooser
    assert chooser.choose("wave", 0.9, "r", "p", 0.0).gif is not None
    path.write_text(BOOK.format(title="two"))
    assert watcher.poll()
    assert watcher.book.gifs["a"].title == "two"
    assert watcher.chooser is chooser
    assert "cooldown" in chooser.choose("wave", 0.9, "r", "p", 1.0).reason


def test_a_broken_book_leaves_the_old_one_in_force_and_says_why(path: Path) -> None:
    watcher = BookWatcher(path)
    path.write_text("version: 1\nrooms: {secret-room: {quite: true}}\n")
    with capture_logs() as logs:
        assert not watcher.poll()
        assert not watcher.poll()
    assert watcher.book.gifs["a"].title == "one"
    assert watcher.problem is not None
    assert (
        "line 2: rooms.secret-room.quite: expected one of quiet, without, rules; got 'quite'"
        in watcher.problem
    )
    assert [each["lines"] for each in logs] == [[1, 2]]
    assert "secret" not in repr(logs)
    path.write_text(BOOK.format(title="two"))
    assert watcher.poll()
    assert watcher.problem is None


def test_a_book_that_vanishes_leaves_the_old_one_in_force(path: Path) -> None:
    watcher = BookWatcher(path)
    text = path.read_text()
    path.unlink()
    assert not watcher.poll()
    assert watcher.problem == "No such file or directory"
    assert watcher.book.labels == ("wave",)
    path.write_text(text)
    assert watcher.poll()
    assert watcher.problem is None


def test_the_default_book_is_not_watched() -> None:
    watcher = BookWatcher()
    assert not watcher.poll()
    assert "wave" in watcher.book.labels


def test_without_a_book_there_is_no_watcher(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        BookWatcher(tmp_path / "none.yaml")
