"""Rule books from files, every mistake named."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from importlib.resources import files
from pathlib import Path as FilePath

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gifcue.errors import ConfigError
from gifcue.rules.book import (
    Defaults,
    Gif,
    Path,
    Room,
    Rule,
    RuleBook,
    WeightedGif,
    broken_references,
    where,
)
from gifcue.rules.references import missing_files, unknown_labels
from gifcue.rules.source import MAX_BYTES, Mistake, Source, read_toml, read_yaml, shown

SUFFIXES = (".yaml", ".yml", ".toml")


def default_book_path() -> FilePath:
    """The book that comes with gifcue."""
    return FilePath(str(files("gifcue.rules") / "default" / "book.yaml"))


def load_book(path: FilePath | None = None, labels: Collection[str] | None = None) -> RuleBook:
    """Reads a book, YAML or TOML by its suffix; the default book without a path.

    `labels`, where given, are all that may ever react: any other in the book is a mistake.

    Raises:
        ConfigError: the file cannot be read, or there are mistakes in it; the message names each with its
        line.
    """
    path = path or default_book_path()
    return book_from(read_book(path), path, labels)


def book_from(data: bytes, path: FilePath, labels: Collection[str] | None = None) -> RuleBook:
    """A book from the bytes of a file, which `path` names in messages; `labels` and Raises are as in `load_book`."""
    book, mistakes = parse_book(data, path.suffix, labels)
    if book is None:
        named = "\n".join(f"{path}:{each.line}: {_at(each)}{each.message}" for each in mistakes)
        raise ConfigError(named)
    return book


def check_book(
    path: FilePath, labels: Collection[str] | None = None, gifs: FilePath | None = None
) -> list[Mistake]:
    """Every mistake in a book, in the order of their lines; none where it is right.

    `labels` are as in `load_book`; `gifs`, where given, is the folder behind /gifs/: a file that it lacks is a
    mistake.

    Raises:
        ConfigError: the file cannot be read.
    """
    return parse_book(read_book(path), path.suffix, labels, gifs)[1]


def parse_book(
    data: bytes, suffix: str, labels: Collection[str] | None = None, gifs: FilePath | None = None
) -> tuple[RuleBook | None, list[Mistake]]:
    """A book from the bytes of a file, and its mistakes: there is a book exactly where there are none.

    `labels` and `gifs` are as in `check_book`.

    Raises:
        ConfigError: the suffix is none of a book's.
    """
    if suffix not in SUFFIXES:
        raise ConfigError(f"expected a rule book named .yaml, .yml or .toml, got {suffix or 'no suffix'!r}")
    if len(data) > MAX_BYTES:
        return None, [Mistake(1, "", f"expected at most {MAX_BYTES} bytes, got {len(data)}")]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [Mistake(line, "", f"expected UTF-8, got the byte 0x{data[error.start]:02x}")]
    source = read_toml(text) if suffix == ".toml" else read_yaml(text)
    mistakes = list(source.mistakes)
    book: RuleBook | None = None
    if source.values is None:
        if not mistakes:
            mistakes.append(Mistake(1, "", "expected a rule book, got an empty file"))
        return None, mistakes
    for path, message in broken_references(source.values):
        mistakes.append(Mistake(source.line(path), where(path), message))
    try:
        book = RuleBook.model_validate(source.values)
    except ValidationError as error:
        # An error of the book as a whole is one of the references, which are listed already.
        found = [each for each in error.errors() if each["loc"] or each["type"] != "value_error"]
        mistakes += [_mistake(each, source) for each in found]
    if labels is not None:
        known = sorted(labels)
        mistakes += [
            _outside(path, source, f"one of {', '.join(known)}", label, known)
            for path, label in unknown_labels(source.values, labels)
        ]
    if gifs is not None:
        mistakes += [
            _outside(path, source, f"a file in {gifs}", url)
            for path, url in missing_files(source.values, gifs)
        ]
    if mistakes:
        return None, sorted(set(mistakes), key=lambda each: (each.line, each.where, each.message))
    return book, []


def read_book(path: FilePath) -> bytes:
    """The bytes of a file, no more than show that it is too large. Raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable rule book: {error.strerror}") from None


def _at(mistake: Mistake) -> str:
    return f"{mistake.where}: " if mistake.where else ""


def _mistake(error: ErrorDetails, source: Source) -> Mistake:
    path: Path = tuple(error["loc"])
    kind, got = error["type"], error["input"]
    if kind == "missing":
        message = f"expected {path[-1]}, got none"
        line = source.line(path[:-1])
    elif kind == "extra_forbidden":
        line = source.line(path)
        known = _fields(path[:-1])
        message = f"expected one of {', '.join(known)}; got {path[-1]!r}{_hint(str(path[-1]), known)}"
    else:
        line = source.line(path)
        expected = error["msg"].replace("Input should be ", "").replace("Value error, ", "")
        expected = {
            "string_pattern_mismatch": "a name without blanks around it",
            "model_type": "a table of keys and values",
            "dict_type": "a table of keys and values",
            "list_type": "a list",
            "too_short": "at least one entry",
            "string_type": "text, in quotes where it could be anything else",
        }.get(kind, expected)
        if kind == "string_pattern_mismatch" and path[-1] in ("url", "video_url"):
            expected = "an http:// or https:// address, or a path such as /gifs/wave.gif"
        elif kind == "string_pattern_mismatch" and path[-1] == "media_type":
            expected = "a media type such as image/gif"
        message = f"expected {expected[:1].lower()}{expected[1:]}, got {shown(got)}"
    return Mistake(line, where(path), message)


def _fields(path: Path) -> list[str]:
    """The keys that a table may hold, by its path in the book."""
    shape = tuple("*" if isinstance(part, int) else part for part in path)
    in_rule: type[BaseModel] = WeightedGif if shape[-2:] == ("gifs", "*") else Rule
    if not shape:
        model: type[BaseModel] = RuleBook
    elif shape[0] == "defaults":
        model = Defaults
    elif shape[0] == "gifs":
        model = Gif
    elif shape[0] == "rules":
        model = in_rule
    else:
        model = Room if len(shape) == 2 else in_rule
    return list(model.model_fields)


def _outside(path: Path, source: Source, expected: str, got: str, known: Iterable[str] = ()) -> Mistake:
    message = f"expected {expected}; got {shown(got)}{_hint(got, known)}"
    return Mistake(source.line(path), where(path), message)


def _hint(got: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(got, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
