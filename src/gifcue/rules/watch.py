"""Follows the file of a rule book, so that a change takes effect without a restart."""

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

# Lines with mistakes that one log event names at most.
MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class BookStatistics:
    """How many changes of the file were taken and refused, and how often no GIF was shown, by reason."""

    taken: int
    refused: int
    withheld: dict[str, int]


class NewBook(NamedTuple):
    """A book without mistakes, and the bytes of its file."""

    book: RuleBook
    data: bytes


class BookWatcher:
    """Owns the book in force and the chooser that uses it.

    A change with mistakes is refused: the old book stays in force, and `problem` says what is wrong. All books share
    one chooser, so cooldowns outlive a change.

    Args:
        path: The file. None: the default book, which never changes.
        seed: The chooser's seed.

    Raises:
        ConfigError: the file cannot be read, or has mistakes.
    """

    def __init__(self, path: Path | None = None, seed: int = 0) -> None:
        self._path = path
        self._file = path or default_book_path()
        self._problem: str | None = None
        self._taken = 0
        self._refused = 0
        self._in_force = read_book(self._file)
        self._digest = hashlib.sha256(self._in_force)
        self._seen: bytes | None = self._digest.digest()
        self._chooser = Chooser(book_from(self._in_force, self._file), seed)

    @property
    def book(self) -> RuleBook:
        """The book in force."""
        return self._chooser.book

    @property
    def chooser(self) -> Chooser:
        """The chooser, the same one for every book."""
        return self._chooser

    @property
    def problem(self) -> str | None:
        """Why the present state of the file is not in force; None if it is."""
        return self._problem

    @property
    def is_followed(self) -> bool:
        """False for the default book, which never changes."""
        return self._path is not None

    @property
    def sha256(self) -> str:
        """The digest of the file in force."""
        return self._digest.hexdigest()

    def missing(self, labels: Collection[str] | None = None, gifs: Path | None = None) -> list[Mistake]:
        """References of the book in force to labels and files that do not exist.

        They are no reason to refuse a book, since a gesture or a file may be added later. `labels` and `gifs` are as in
        `check_book`.
        """
        return parse_book(self._in_force, self._file.suffix, labels, gifs)[1]

    def statistics(self) -> BookStatistics:
        """The present figures. A file that cannot be read counts as one refused change until it can be read again."""
        return BookStatistics(self._taken, self._refused, self._chooser.withheld)

    def poll(self) -> bool:
        """Reads the file and takes a new book; True if there was one. Raises what `look` raises."""
        return self.take(self.look())

    def look(self) -> NewBook | None:
        """Reads and checks the file; None if there is no new book.

        The whole file is compared, since two changes within one tick of the file system's clock have the same time.
        A large book takes seconds to parse, so this may run in another thread than `take`, but only one call at a time.
        It changes nothing that the chooser reads.

        Raises:
            Exception: gifcue has a bug. The change is refused, and the same bytes do not raise again.
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
        """Puts the book that `look` found in force; False if it found none. Must run in the thread that chooses."""
        if found is None:
            return False
        self._problem = None
        self._in_force = found.data
        self._digest = hashlib.sha256(found.data)
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
    """The first lines with mistakes, for the log. Their text is not logged: it may name a room."""
    return sorted({each.line for each in mistakes})[:MAX_LINES]
