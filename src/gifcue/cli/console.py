"""The output of the command line: rich text for people, one JSON object a line for programs, errors on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(message: str, prefix: str = "[bold red]error:[/] ") -> None:
    """Prints one line on stderr."""
    err.print(prefix + escape(message))


def print_json(value: dict[str, Any]) -> None:
    """Prints one JSON object on one line of stdout. Flushes, so that a program that reads it gets each line at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def seconds(at_s: float) -> str:
    """A time as a video player shows it: 0:07.25, 12:00.00."""
    minutes, rest_s = divmod(max(at_s, 0.0), 60)
    return f"{int(minutes)}:{rest_s:05.2f}"
