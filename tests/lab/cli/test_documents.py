"""The commands of the laboratory that documents show exist, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from .conftest import Lab

DOCS = Path(__file__).parents[3] / "docs"
# A line of a code block, with the lines that it goes on in.
_COMMAND = re.compile(r"^(?: {4}|\$ )?(gifcue-lab (?:.*\\\n)*.*)$", re.MULTILINE)


def commands(document: Path) -> list[str]:
    return [found.replace("\\\n", " ") for found in _COMMAND.findall(document.read_text(encoding="utf-8"))]


DOCUMENTS = sorted(path.name for path in DOCS.glob("*.md") if commands(path))


def test_the_guides_are_among_them() -> None:
    assert {"your-own-detector.md", "datasets.md", "evaluation.md", "reproducing.md"} <= set(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_command_exists(lab: Lab, document: str) -> None:
    for command in commands(DOCS / document):
        # Options are parsed before the help is printed, so a wrong one is an error.
        result = lab(*shlex.split(command, comments=True)[1:], "--help")
        assert result.exit_code == 0, f"{command}\n{result.stderr}"
