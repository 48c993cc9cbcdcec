"""The virtual environments of the peers, under `.bench`. They are separate from gifcue's, with their own pins."""

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
    """The environment of a peer is missing, or was made with other pins."""


def to_stderr(line: str) -> None:
    """Prints progress to standard error, because standard output is for JSON."""
    print(line, file=sys.stderr, flush=True)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


def _pins(name: str) -> Path:
    if name not in NAMES:
        raise ValueError(f"expected one of {', '.join(NAMES)}, got {name!r}")
    return REQUIREMENTS / f"{name}.txt"


def is_ready(name: str, home: Path = HOME) -> bool:
    """True if the environment exists and was made from the present pins."""
    stamp = home / name / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _checksum(name)


def python_of(name: str, home: Path = HOME) -> Path:
    """The environment's interpreter. Raises EnvironmentMissing, whose message has the command that makes it."""
    if not is_ready(name, home):
        raise EnvironmentMissing(
            f"{name}: expected an up-to-date environment made from benchmarks/peers/{name}.txt, got none: "
            f"run `python -m benchmarks.peers setup {name}`"
        )
    return home / name / "bin" / "python"


def make(name: str, home: Path = HOME, run: Run = _run, report: Report = to_stderr) -> Path:
    """Makes the environment if it is missing or has other pins. Returns its interpreter.

    Raises:
        CalledProcessError: pip could not install the pins.
    """
    pins = _pins(name)
    if not is_ready(name, home):
        folder = home / name
        report(
            f"{name}: making its environment with pip from benchmarks/peers/{pins.name}; takes some minutes, once"
        )
        # Symbolic links, as in `python -m venv`: a copied interpreter does not find its shared library.
        venv.EnvBuilder(clear=True, symlinks=os.name != "nt").create(folder)
        python = str(folder / "bin" / "python")
        run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "-r", str(pins)])
        (folder / _STAMP).write_text(_checksum(name), encoding="utf-8")
    return python_of(name, home)


def _checksum(name: str) -> str:
    return hashlib.sha256(_pins(name).read_bytes()).hexdigest()
