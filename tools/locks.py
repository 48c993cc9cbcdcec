"""Reads lock files: requirements with one exact version each, and the digests of the files that may be installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVING = ROOT / "deploy" / "requirements.txt"
SERVING_GPU = ROOT / "deploy" / "requirements-gpu.txt"
SERVING_EXTRAS = {extra: ROOT / "deploy" / f"requirements-{extra}.txt" for extra in ("otel", "webrtc")}
BUILD = ROOT / "deploy" / "requirements-build.txt"
TOOLS = ROOT / "tools" / "requirements.txt"
DEPLOY_TOOLS = ROOT / "tools" / "deploy" / "requirements.txt"
CONSTRAINTS = ROOT / "constraints.txt"

# NAME==VERSION, perhaps with a marker. Nothing else is allowed: no range, no address, no option.
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(?P<version>[0-9][A-Za-z0-9.!+-]*)\s*(;[^-]*)?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock.

    Attributes:
        name: in the form of `canonical`.
        version: the only version that is installed.
        sha256: digests of the files of that version, one of which is installed. Empty in constraints.txt.
    """

    name: str
    version: str
    sha256: frozenset[str]


def canonical(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, Locked]:
    """The packages of a lock, or of constraints.txt, by name.

    Raises:
        ValueError: a line gives no exact version, or more than that and digests, or a package occurs twice.
    """
    locked: dict[str, Locked] = {}
    # This module needs no package, because it also runs while the image is built.
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        digests = frozenset(_HASH.findall(line))
        rest = _HASH.sub("", line).strip()
        pin = _PIN.fullmatch(rest)
        if pin is None:
            raise ValueError(f"{path}: expected NAME==VERSION and digests, got {rest!r}")
        name = canonical(pin["name"])
        if name in locked:
            raise ValueError(f"{path}: expected each package once, got {name} again")
        locked[name] = Locked(name, pin["version"], digests)
    return locked
