"""docs/security.md states limits as they are in the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
ROW = re.compile(r"^\| `([\w.]+)`(?: \(`([\w.]+)`\))? \| `?([^|`]+)`? \|")


def rows(name: str) -> list[tuple[str, str | None, str]]:
    """Rows of tables of settings and constants: name, module of a constant, default."""
    found = [ROW.match(line) for line in (DOCS / name).read_text(encoding="utf-8").splitlines()]
    return [(row[1], row[2], row[3].strip()) for row in found if row]


def test_limits_have_the_defaults_of_the_code():
    # docs/settings.md is generated, and tests/cli/test_settings.py checks it.
    settings = {name: default for name, module, default in rows("settings.md") if module is None}
    wrong = []
    for name, module, default in rows("security.md"):
        if module is None:
            actual = settings.get(name, "no such setting")
        else:
            actual = str(getattr(importlib.import_module(module), name, "no such constant"))
        if actual != default:
            wrong.append(f"{name}: {default} in docs/security.md, {actual} in the code")
    assert wrong == []


def test_the_table_is_read():
    names = [name for name, _, _ in rows("security.md")]
    assert {"limits.max_frame_bytes", "MAX_NAL_UNITS"} <= set(names)
    assert len(names) == len(set(names)) > 15


def test_each_bound_of_growth_is_in_the_table():
    listed = {name for name, _, _ in rows("security.md")}
    limits = {name for name, _, _ in rows("settings.md") if re.match(r"(expert\.)?limits\.max_", name)}
    assert limits - listed == set()
