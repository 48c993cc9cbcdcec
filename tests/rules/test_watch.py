from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gifcue.errors import ConfigError
from gifcue.rules import BookWatcher, watch

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


def test_a_book_with_mistakes_is_refused_and_the_problem_is_named(path: Path) -> None:
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


@pytest.mark.parametrize(
    "title", ["2024-13-45", "!!bool abc", "0x_", "9" * 5000], ids=lambda title: title[:10]
)
def test_a_book_with_an_invalid_scalar_is_refused_and_the_next_valid_one_taken(
    path: Path, title: str
) -> None:
    watcher = BookWatcher(path)
    path.write_text(BOOK.format(title=title))
    assert not watcher.poll()
    assert watcher.problem is not None
    assert watcher.problem.startswith("line 2: gifs.a.title: expected")
    path.write_text(BOOK.format(title="two"))
    assert watcher.poll()
    assert watcher.book.gifs["a"].title == "two"


def test_changes_are_counted_once_taken_or_refused(path: Path) -> None:
    watcher = BookWatcher(path)
    counted = [(watcher.statistics().taken, watcher.statistics().refused)]
    # A second book with the same mistake counts as a further change.
    for text in ("version: 2\n", "version: 2 \n", None, BOOK.format(title="two"), BOOK.format(title="three")):
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        for _ in range(3):
            watcher.poll()
        counted.append((watcher.statistics().taken, watcher.statistics().refused))
    assert counted == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]


def test_a_bug_raises_once_per_change_and_the_change_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = BookWatcher(path)
    path.write_text(BOOK.format(title="two"))
    with monkeypatch.context() as patched:
        patched.setattr(watch, "parse_book", broken)
        with pytest.raises(KeyError):
            watcher.poll()
        assert not watcher.poll()
    assert watcher.problem == "gifcue failed on it: KeyError"
    assert watcher.statistics().refused == 1
    assert watcher.book.gifs["a"].title == "one"
    path.write_text(BOOK.format(title="three"))
    assert watcher.poll()
    assert watcher.problem is None


def broken(data: bytes, suffix: str) -> None:
    raise KeyError(suffix)


def test_the_statistics_count_withheld_reactions(path: Path) -> None:
    watcher = BookWatcher(path)
    watcher.chooser.choose("dance", 0.9, "r", "p", 0.0)
    assert watcher.statistics().withheld["no_rule"] == 1


def test_unknown_labels_and_missing_files_of_the_book_in_force(path: Path, tmp_path: Path) -> None:
    watcher = BookWatcher(path)
    assert watcher.missing() == []
    assert [each.where for each in watcher.missing(labels=["smile"])] == ["rules[0].label"]
    assert [each.line for each in watcher.missing(gifs=tmp_path)] == [2]
    path.write_text("version: 1\ngifs: {}\nrules: []\n")
    assert watcher.missing(labels=["smile"]) != []  # not taken yet
    assert watcher.poll()
    assert watcher.missing(labels=["smile"], gifs=tmp_path) == []


def test_the_default_book_is_not_watched() -> None:
    watcher = BookWatcher()
    assert not watcher.poll()
    assert "wave" in watcher.book.labels


def test_without_a_book_there_is_no_watcher(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        BookWatcher(tmp_path / "none.yaml")
