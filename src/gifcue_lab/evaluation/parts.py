"""Parts of an evaluated data set: sets of groups whose figures are reported apart, such as generations of data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gifcue_lab.datasets.annotation import DatasetError

FORM = "NAME=GROUP,… with groups, patterns (p3*) or ranges (p000..p199)"
_RANGE = ".."


@dataclass(frozen=True)
class Part:
    """A named set of groups.

    Attributes:
        name: as reported.
        groups: names, patterns with `*` and `?`, and ranges `FIRST..LAST`, ends included. Digits in the names of a
            range count as numbers, so p2 comes before p10.
    """

    name: str
    groups: tuple[str, ...]

    def holds(self, group: str) -> bool:
        """Whether the part holds a group of this name."""
        return any(_matches(group, one) for one in self.groups)


def parse_part(text: str) -> Part:
    """A part as a command line gives it. Raises `DatasetError` if it has another form."""
    name, equals, groups = (each.strip() for each in text.partition("="))
    if not equals:
        raise DatasetError(f"expected {FORM}, got {text!r}")
    return _part(name, [each.strip() for each in groups.split(",")], text)


def read_parts(path: Path) -> tuple[Part, ...]:
    """The parts of a TOML file: a table `[parts]` with a list of groups for each name.

    Raises `DatasetError` if it is missing or of another form.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"{path}: expected a TOML file of parts, got {error}") from error
    table = document.get("parts")
    if not isinstance(table, dict) or not table:
        raise DatasetError(f'{path}: expected a table [parts] with lines like first = ["p000..p199"]')
    for name, groups in table.items():
        if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
            raise DatasetError(f"{path}: {name}: expected a list of groups, got {groups!r}")
    return tuple(_part(name, groups, f"{path}: {name}") for name, groups in table.items())


def check_parts(parts: Sequence[Part], groups: Iterable[str]) -> tuple[str, ...]:
    """The groups that no part holds, sorted.

    Raises `DatasetError` if two parts have one name, or a part holds none of the groups.
    """
    there = sorted(set(groups))
    names = [part.name for part in parts]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DatasetError(f"expected a name of its own for every part, got {min(twice)!r} twice")
    for part in parts:
        if not any(part.holds(group) for group in there):
            example = f"{len(there)} groups such as {there[0]!r}" if there else "no groups"
            raise DatasetError(
                f"part {part.name}: expected a group that matches {', '.join(part.groups)}, got {example}"
            )
    return tuple(group for group in there if not any(part.holds(group) for part in parts))


def _part(name: str, groups: Sequence[str], given: str) -> Part:
    if not name or not groups or not all(groups):
        raise DatasetError(f"expected {FORM}, got {given!r}")
    for each in groups:
        first, dots, last = each.partition(_RANGE)
        if dots and (not first or not last or _natural(first) > _natural(last)):
            raise DatasetError(f"part {name}: expected a range FIRST..LAST in ascending order, got {each!r}")
    return Part(name, tuple(groups))


def _matches(group: str, pattern: str) -> bool:
    first, dots, last = pattern.partition(_RANGE)
    if dots:
        return _natural(first) <= _natural(group) <= _natural(last)
    return fnmatchcase(group, pattern)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts digits as numbers, and numbers before other text."""
    pieces = re.findall(r"\d+|\D+", name)
    return tuple((0, int(each), "") if each.isdecimal() else (1, 0, each) for each in pieces)
