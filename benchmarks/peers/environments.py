"""The environments of the peers: one each, under `.bench`, so that their pins never meet gifcue's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / ".bench"
REQUIREMENTS = Path(__file__).resolve().parent
NAMES = ("jpeg-http", "mediapipe", "triton")
# Holds the checksum of the pins that an environment was made from.
_STAMP = "installed"

Run = Callable[[Sequence[str]], None]
Report = Callable[[str], None]


class EnvironmentMissing(Exception):
    """A peer's environment was never made, or with other pins."""


def to_stderr(line: str) -> None:
    """Progress, out of the way of JSON on standard output."""
    print(line, file=sys.stderr, flush=True)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


def _pins(name: str) -> Path:
    if name not in NAMES:
        raise ValueError(f"expected one of {', '.join(NAMES)}, got {name!r}")
    return REQUIREMENTS / f"{name}.txt"


def is_ready(name: str, home: Path = HOME) -> bool:
    """Whether the environment is there, made from the pins as they are now."""
    stamp = home / name / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _checksum(name)


def python_of(name: str, home: Path = HOME) -> Path:
    """The environment's interpreter. Raises EnvironmentMissing, naming the command that makes it."""
    if not is_ready(name, home):
        raise EnvironmentMissing(
            f"{name}: expected its environment, made from benchmarks/peers/{name}.txt, got none that is up to "
            f"date: run `python -m benchmarks.peers setup {name}`"
        )
    return home / name / "bin" / "python"


def make(name: str, home: Path = HOME, run: Run = _run, report: Report = to_stderr) -> Path:
    """Makes the environment where it is missing or has other pins, and returns its interpreter.

    Raises:
        CalledProcessError: pip could not install the pins.
    """
    pins = _pins(name)
    if not is_ready(name, home):
        folder = home / name
        report(
            f"{name}: making its environment with pip, from benchmarks/peers/{pins.name}: some minutes, once"
        )
        # Links, as `python -m venv` makes them: a copied interpreter does not find its shared library.
        venv.EnvBuilder(clear=True, symlinks=os.name != "nt").create(folder)
        python = str(folder / "bin" / "python")
        run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "-r", str(pins)])
        (folder / _STAMP).write_text(_checksum(name), encoding="utf-8")
    return python_of(name, home)


def _checksum(name: str) -> str:
    return hashlib.sha256(_pins(name).read_bytes()).hexdigest()
