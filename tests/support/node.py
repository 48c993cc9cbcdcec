"""Scripts of tests that run modules of the pages in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import gifcue.web
from tests.support.programs import require

STATIC = Path(gifcue.web.__file__).parent / "static"


def run_with_static(script: Path, *arguments: str) -> Any:
    """Runs a script with the folder of the static files, and returns what it prints, which is JSON."""
    run = subprocess.run(
        [require("node"), str(script), str(STATIC), *arguments], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
