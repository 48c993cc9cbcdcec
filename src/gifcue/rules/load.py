"""Reads rule books from files and names every mistake."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gifcue.errors import ConfigError
from gifcue.rules.book import (
    Defaults,
    Gif,
    Location,
    Room,
    Rule,
    RuleBook,
    WeightedGif,
    broken_references,
    format_location,
)
from gifcue.rules.references import missing_files, unknown_labels
from gifcue.rules.source import MAX_BYTES, Mistake, Source, read_yaml, shown

SUFFIXES = (".yaml", ".yml")


def default_book_path() -> Path:
    """The book that comes with gifcue."""
    return Path(str(files("gifcue.rules") / "default" / "book.yaml"))


def load_book(path: Path | None = None, labels: Collection[str] | None = None) -> RuleBook:
    """Reads a book in YAML, or the default book if there is no path.

    Args:
        path: The file.
        labels: All labels that can react. Any other label in the book is a mistake. None: labels are not checked.

    Raises:
        ConfigError: the file cannot be read, is not named .yaml or .yml, or has mistakes. The message names each with
            its line.
    """
    path = path or default_book_path()
    return book_from(read_book(path), path, labels)


def book_from(data: bytes, path: Path, labels: Collection[str] | None = None) -> RuleBook:
    """A book from the bytes of a file; `path` names the file in messages. `labels` and Raises are as in `load_book`."""
    book, mistakes = parse_book(data, path.suffix, labels)
    if book is None:
        raise ConfigError("\n".join(_named(each, path) for each in mistakes))
    return book


def check_book(path: Path, labels: Collection[str] | None = None, gifs: Path | None = None) -> list[Mistake]:
    """Every mistake of a book in the order of lines. Empty if the book is right.

    Args:
        path: The file.
        labels: As in `load_book`.
        gifs: The folder behind /gifs/. An address under /gifs/ that is not in it is a mistake. None: not checked.

    Raises:
        ConfigError: the file cannot be read, or is not named .yaml or .yml.
    """
    return parse_book(read_book(path), path.suffix, labels, gifs)[1]


def parse_book(
    data: bytes, suffix: str, labels: Collection[str] | None = None, gifs: Path | None = None
) -> tuple[RuleBook | None, list[Mistake]]:
    """A book from the bytes of a file, and its mistakes. The book is None if there are any.

    `labels` and `gifs` are as in `check_book`.

    Raises:
        ConfigError: the suffix is not .yaml or .yml.
    """
    _check_suffix(suffix)
    source = _read(data)
    if source.values is None:
        return None, source.mistakes or [Mistake(1, "", "expected a rule book, got an empty file")]
    mistakes = [
        *source.mistakes,
        *(
            Mistake(source.line(location), format_location(location), message)
            for location, message in broken_references(source.values)
        ),
    ]
    if labels is not None:
        known = sorted(labels)
        mistakes += [
            _bad_reference(location, source, f"one of {', '.join(known)}", label, known)
            for location, label in unknown_labels(source.values, labels)
        ]
    if gifs is not None:
        mistakes += [
            _bad_reference(location, source, f"a file in {gifs}", url)
            for location, url in missing_files(source.values, gifs)
        ]
    book: RuleBook | None = None
    try:
        book = RuleBook.model_validate(source.values)
    except ValidationError as error:
        # An error of the whole book is one of `broken_references`, which are listed with their lines already.
        found = [each for each in error.errors() if each["loc"] or each["type"] != "value_error"]
        mistakes += [_mistake(each, source) for each in found]
    if mistakes:
        return None, sorted(set(mistakes), key=lambda each: (each.line, each.where, each.message))
    return book, []


def read_book(path: Path) -> bytes:
    """The bytes of a file, at most one more than a book may have.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable rule book: {error.strerror}") from None


def _check_suffix(suffix: str) -> None:
    if suffix in SUFFIXES:
        return
    expected = "expected a rule book in YAML, named .yaml or .yml"
    if suffix == ".toml":
        raise ConfigError(
            f"{expected}, got '.toml': write the TOML book as YAML, with the same keys and values"
        )
    raise ConfigError(f"{expected}, got {suffix or 'no suffix'!r}")


def _read(data: bytes) -> Source:
    if len(data) > MAX_BYTES:
        # `read_book` reads one byte more than the limit, so the true size is not known.
        return Source(mistakes=[Mistake(1, "", f"expected at most {MAX_BYTES} bytes, got more")])
    try:
        return read_yaml(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"expected UTF-8, got the byte 0x{data[error.start]:02x}"
        return Source(mistakes=[Mistake(line, "", message)])


def _named(mistake: Mistake, path: Path) -> str:
    where = f"{mistake.where}: " if mistake.where else ""
    return f"{path}:{mistake.line}: {where}{mistake.message}"


def _mistake(error: ErrorDetails, source: Source) -> Mistake:
    location: Location = tuple(error["loc"])
    kind, got = error["type"], error["input"]
    if kind == "missing":
        message = f"expected {location[-1]}, got none"
        line = source.line(location[:-1])
    elif kind == "extra_forbidden":
        line = source.line(location)
        known = _fields(location[:-1])
        message = f"expected one of {', '.join(known)}; got {location[-1]!r}{_hint(str(location[-1]), known)}"
    else:
        line = source.line(location)
        expected = error["msg"].replace("Input should be ", "").replace("Value error, ", "")
        expected = {
            "string_pattern_mismatch": "a name without blanks around it",
            "model_type": "a table of keys and values",
            "dict_type": "a table of keys and values",
            "list_type": "a list",
            "too_short": "at least one entry",
            "string_type": "text, in quotes where it could be anything else",
        }.get(kind, expected)
        if kind == "string_pattern_mismatch" and location[-1] in ("url", "video_url"):
            expected = "an http:// or https:// address, or a path such as /gifs/wave.gif"
        elif kind == "string_pattern_mismatch" and location[-1] == "media_type":
            expected = "a media type such as image/gif"
        message = f"expected {expected[:1].lower()}{expected[1:]}, got {shown(got)}"
    return Mistake(line, format_location(location), message)


def _fields(location: Location) -> list[str]:
    """The keys that the table at a location may have."""
    shape = tuple("*" if isinstance(part, int) else part for part in location)
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


def _bad_reference(
    location: Location, source: Source, expected: str, got: str, known: Iterable[str] = ()
) -> Mistake:
    message = f"expected {expected}; got {shown(got)}{_hint(got, known)}"
    return Mistake(source.line(location), format_location(location), message)


def _hint(got: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(got, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
