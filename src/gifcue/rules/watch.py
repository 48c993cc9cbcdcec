"""A rule book that follows its file, without a restart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from gifcue.errors import ConfigError
from gifcue.rules.book import RuleBook
from gifcue.rules.chooser import Chooser
from gifcue.rules.load import default_book_path, load_book, parse_book
from gifcue.rules.source import MAX_BYTES, Mistake

log = structlog.get_logger(__name__)


class BookWatcher:
    """Holds the book in force and the chooser that goes by it.

    A book that comes out broken is not taken: the old one stays in force, and `problem` says what is wrong.
    The chooser stays the same one, so cooldowns outlive a new book.

    Args:
        path: The file; None is the default book, which never changes.
        seed: The chooser's seed.

    Raises:
        ConfigError: there is no book to begin with.
    """

    def __init__(self, path: Path | None = None, seed: int = 0) -> None:
        self._path = path
        self._problem: str | None = None
        file = path or default_book_path()
        # Before the book is read: a change in between is then found by the first poll.
        self._seen = _digest(file)
        self._chooser = Chooser(load_book(file), seed)

    @property
    def book(self) -> RuleBook:
        """The book in force."""
        return self._chooser.book

    @property
    def chooser(self) -> Chooser:
        """Always the same one."""
        return self._chooser

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in force; None where it is."""
        return self._problem

    def poll(self) -> bool:
        """Looks at the file; True where a new book is in force.

        Reads it whole, since a clock's tick can hide a change.
        """
        if self._path is None:
            return False
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            seen = hashlib.sha256(data).digest()
            if seen == self._seen:
                return False
            self._seen = seen
            book, mistakes = parse_book(data, self._path.suffix)
        except (OSError, ConfigError) as error:
            self._refuse(getattr(error, "strerror", None) or str(error), [])
            self._seen = None
            return False
        if book is None:
            self._refuse("\n".join(str(each) for each in mistakes), mistakes)
            return False
        self._problem = None
        self._chooser.use(book)
        return True

    def _refuse(self, problem: str, mistakes: list[Mistake]) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        # Lines only: what stands there may name a room.
        log.warning(
            "rule book not taken, the old one stays in force",
            mistakes=len(mistakes),
            lines=sorted({each.line for each in mistakes})[:20],
        )


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
