"""Measures in a process of its own: reads tables of settings as JSON from stdin, writes the figure as JSON to stdout.

A server that starts runs this before its own workers exist, so that nothing of the measurement stays in it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from gifcue.errors import GifcueError
from gifcue.server.capacity.measure import measure
from gifcue.server.config import load_settings
from gifcue.server.logs import configure_logs
from gifcue.server.settings import LogSettings


def main() -> int:
    """The exit code. With 1, stdout says why."""
    tables = json.loads(sys.stdin.read())
    configure_logs(LogSettings(level="error"))
    try:
        capacity = asyncio.run(measure(load_settings(None, tables)))
    except GifcueError as error:
        print(error)
        return 1
    print(json.dumps(asdict(capacity)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
