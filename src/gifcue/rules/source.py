"""The text of a rule book as plain values, and the line that each of them stands on."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

from gifcue.rules.book import Path, where

# Far more than a book needs; a bound for what a wrong file can cost.
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
# Longest text of a wrong value that a message repeats.
MAX_SHOWN = 60
YAML_TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = (f"{YAML_TAG}map", f"{YAML_TAG}seq")
# What a scalar was taken for, by its tag.
SCALARS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "binary": "base64",
    "merge": "no merged table",
    "value": "a value",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a book: `line` is 1-based, `where` a path such as `rules[2].gifs[0].weight`."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.where + ': ' if self.where else ''}{self.message}"


@dataclass(slots=True)
class Source:
    """Plain values with their lines. `mistakes` are those of the text itself."""

    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a value; of what holds it, where it is not there itself."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def shown(value: Any) -> str:
    """A wrong value for a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of too many digits to show"  # in hexadecimal they could still be read
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def read_yaml(text: str) -> Source:
    """Reads YAML: plain values only, no aliases (a few lines of them can stand for gigabytes)."""
    source = Source()
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        source.mistakes.append(Mistake(line, "", f"expected text, got the character U+{error.character:04X}"))
        return source
    try:
        while loader.check_event():
            event = loader.get_event()  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.AliasEvent):
                message = f"expected no alias, got *{event.anchor}: write the values out"
                line = event.start_mark.line + 1 if event.start_mark else 1
                source.mistakes.append(Mistake(line, "", message))
        if source.mistakes:
            return source
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            source.values = _construct(node, (), source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = " ".join(part for part in (error.context, error.problem) if part)
        source.mistakes.append(Mistake(mark.line + 1 if mark else 1, "", f"expected YAML: {found}"))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # PyYAML lets through what int() and chr() raise for the digits of a directive or of an escape.
        source.mistakes.append(Mistake(loader.line + 1, "", f"expected YAML: {error}"))
    return source


def _construct(node: yaml.Node, path: Path, source: Source) -> Any:
    line = node.start_mark.line + 1
    source.lines.setdefault(path, line)
    if len(path) > MAX_DEPTH:
        source.mistakes.append(Mistake(line, where(path), f"expected at most {MAX_DEPTH} levels"))
        return None
    if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
        source.mistakes.append(Mistake(line, where(path), f"expected no tag, got {node.tag}"))
    if isinstance(node, yaml.SequenceNode):
        return [_construct(each, (*path, index), source) for index, each in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        values: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                message = "expected text as a key, got a list or a table"
                source.mistakes.append(Mistake(key_line, where(path), message))
                continue
            key = _scalar(key_node, path, source)
            if not isinstance(key, str):
                message = f"expected text as a key, got {shown(key_node.value)}: put it in quotes"
                source.mistakes.append(Mistake(key_line, where(path), message))
                key = key_node.value
            if key in values:
                source.mistakes.append(
                    Mistake(key_line, where((*path, key)), "expected this once, got it again")
                )
            source.lines[(*path, key)] = key_line
            values[key] = _construct(value_node, (*path, key), source)
        return values
    return _scalar(node, path, source)


def _scalar(node: yaml.Node, path: Path, source: Source) -> Any:
    """A scalar's value; its text where that is none of the kind that it was taken for, which is a mistake."""
    line = node.start_mark.line + 1
    text = str(node.value).encode("utf-8", "replace").decode()
    if text != node.value:
        message = f"expected characters, got half of one: {shown(node.value)}"
        source.mistakes.append(Mistake(line, where(path), message))
        return text
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except Exception:  # any: what int(), datetime and whatever else a tag calls raise
        expected = SCALARS.get(node.tag.removeprefix(YAML_TAG))
        message = f"expected {expected}, got {shown(text)}: put text in quotes"
        if expected is None:
            message = f"expected no tag, got {node.tag}"
        source.mistakes.append(Mistake(line, where(path), message))
        return text
    finally:
        loader.dispose()


def read_toml(text: str) -> Source:
    """Reads TOML. A value inside an array or an inline table has the line of the key that holds it."""
    source = Source()
    try:
        source.values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        number = None if isinstance(error, tomllib.TOMLDecodeError) else _too_long_number(text)
        if number is not None:
            source.mistakes.append(number)
            return source
        found = re.search(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)", str(error))
        line = int(found.group(1)) if found and found.group(1) else text.count("\n") + 1 if found else 1
        problem = str(error)[: found.start()] if found else str(error)
        source.mistakes.append(Mistake(line, "", f"expected TOML: {problem}"))
        return source
    source.lines = _toml_lines(text)
    return source


def _too_long_number(text: str) -> Mistake | None:
    """The number of more digits than Python reads; `tomllib` does not tell where it is."""
    limit = sys.get_int_max_str_digits()
    for found in re.finditer(r"[0-9][0-9_]*", text):
        digits = len(found.group().replace("_", ""))
        if digits > limit:
            line = text.count("\n", 0, found.start()) + 1
            return Mistake(line, "", f"expected a number of at most {limit} digits, got {digits}")
    return None


_TOML_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_TOML_KEY = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_TOML_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def _toml_lines(text: str) -> dict[Path, int]:
    """The lines of tables and keys in TOML that is known to be well formed; `tomllib` does not tell them."""
    lines: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    table: Path = ()
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        header = _TOML_TABLE.match(line) if depth <= 0 else None
        if header:
            table = ()
            parts = _toml_parts(header.group(2))
            for place, part in enumerate(parts):
                table = (*table, part)
                if place == len(parts) - 1 and header.group(1) == "[[":
                    lines.setdefault(table, number)
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
            continue
        key = _TOML_KEY.match(line) if depth <= 0 else None
        if key:
            lines.setdefault((*table, *_toml_parts(key.group(1))), number)
        bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*", "", line)
        depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
    return lines


def _toml_parts(text: str) -> list[str]:
    return [double or single or bare for double, single, bare in _TOML_PART.findall(text)]
