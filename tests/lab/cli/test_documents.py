"""The commands of the laboratory that documents show exist, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from gifcue_lab.cli.fit_heads import app as fit_heads

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


def test_all_of_fit_heads_is_described() -> None:
    """No other document shows the command, and its options decide what of a model is rewritten."""
    text = (DOCS / "reproducing.md").read_text(encoding="utf-8")
    options = [option.opts[0] for option in get_command(fit_heads).params if option.opts[0] != "--help"]
    assert "--keep-network" in options
    assert [option for option in options if option not in text] == []
