"""A rule book that follows its file, without a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from gifcue.errors import ConfigError
from gifcue.rules.book import RuleBook
from gifcue.rules.chooser import Chooser
from gifcue.rules.load import book_from, default_book_path, parse_book, read_book
from gifcue.rules.source import MAX_BYTES, Mistake

log = structlog.get_logger(__name__)

# Most lines with mistakes that one event of the log names.
MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class BookStatistics:
    """Changes of the file that were taken and that were refused, and how often no GIF was shown, by reason."""

    taken: int
    refused: int
    withheld: dict[str, int]


class NewBook(NamedTuple):
    """A book without mistakes, and the bytes that it was read from."""

    book: RuleBook
    data: bytes


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
        self._file = path or default_book_path()
        self._problem: str | None = None
        self._taken = 0
        self._refused = 0
        self._in_force = read_book(self._file)
        self._seen: bytes | None = hashlib.sha256(self._in_force).digest()
        self._chooser = Chooser(book_from(self._in_force, self._file), seed)

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

    def missing(self, labels: Collection[str] | None = None, gifs: Path | None = None) -> list[Mistake]:
        """What the book in force names that is not there, `labels` and `gifs` as in `check_book`.

        Where gestures and files may still be added, it is no reason to refuse a book.
        """
        return parse_book(self._in_force, self._file.suffix, labels, gifs)[1]

    def statistics(self) -> BookStatistics:
        """The figures as they stand. A file that cannot be read is refused once, until it can be."""
        return BookStatistics(self._taken, self._refused, self._chooser.withheld)

    def poll(self) -> bool:
        """Looks at the file; True where a new book is in force. Raises what `look` does."""
        return self.take(self.look())

    def look(self) -> NewBook | None:
        """Reads the file whole, since a clock's tick can hide a change; None where there is no new book.

        May run in a thread of its own, one at a time: a large book takes long to parse. What it raises is a defect of
        gifcue's; it comes once a change, and that change is refused.
        """
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            seen = hashlib.sha256(data).digest()
            if seen == self._seen:
                return None
            self._seen = seen
            book, mistakes = parse_book(data, self._path.suffix)
        except (OSError, ConfigError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            if problem != self._problem:
                self._refuse(problem, [])
            self._seen = None
            return None
        except Exception as error:
            self._refuse(f"gifcue failed on it: {type(error).__name__}", [])
            raise
        if book is None:
            self._refuse("\n".join(str(each) for each in mistakes), mistakes)
            return None
        return NewBook(book, data)

    def take(self, found: NewBook | None) -> bool:
        """Puts what `look` found in force; False where that is nothing."""
        if found is None:
            return False
        self._problem = None
        self._in_force = found.data
        self._taken += 1
        self._chooser.use(found.book)
        return True

    def _refuse(self, problem: str, mistakes: list[Mistake]) -> None:
        self._problem = problem
        self._refused += 1
        log.warning(
            "rule book not taken, the old one stays in force",
            mistakes=len(mistakes),
            lines=lines_of(mistakes),
        )


def lines_of(mistakes: Collection[Mistake]) -> list[int]:
    """The first lines with mistakes, for the log: what stands there may name a room."""
    return sorted({each.line for each in mistakes})[:MAX_LINES]
