"""The runs of clips that are finished, in files, so that an evaluation that was cut goes on where it was.

Each folder holds the runs of one model with one set of settings. Its name is the digest of these, and `of.json` in it
says what they are. A run counts only for the clip with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import gifcue
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.truth import Clip

FOLDER = "runs"
_FORMAT = "gifcue-clip-run/1"
_DIGITS = 16
_DECIDING = ("detect", "engine", "gestures", "media", "reactions")
# The model has a digest of its own.
_CODE = (".py", ".json")


@dataclass(frozen=True, slots=True)
class _File:
    format: str
    clip_sha256: str
    about: dict[str, Any]
    run: ClipRun


_FILES = TypeAdapter(_File)


def digest(of: Mapping[str, Any]) -> str:
    """A short name for JSON data: equal data have the same."""
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def code_digest() -> str:
    """The digest of the code that decides about reactions: another version may decide otherwise."""
    root = Path(gifcue.__file__).parent
    paths = (path for package in _DECIDING for path in (root / package).rglob("*") if path.suffix in _CODE)
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(f"{path.relative_to(root)}:{file_digest(path)}\n".encode())
    return whole.hexdigest()[:_DIGITS]


class KeptRuns:
    """The runs of one evaluation below `directory`; `of` is what the results depend on, as JSON data."""

    def __init__(self, directory: Path, of: Mapping[str, Any]) -> None:
        self._folder = directory / FOLDER / digest(of)
        self._of = json.dumps(of, sort_keys=True, indent=1)

    def read(self, clip: Clip) -> tuple[ClipRun, dict[str, Any]] | None:
        """A clip's run and the description of what it was run with; None where there is none of these bytes."""
        try:
            kept = _FILES.validate_json(self._path(clip).read_bytes())
        except (OSError, ValidationError):
            # A damaged file costs one more run.
            return None
        if kept.format != _FORMAT or kept.clip_sha256 != file_digest(clip.path):
            return None
        return kept.run, kept.about

    def write(self, clip: Clip, run: ClipRun, about: Mapping[str, Any]) -> None:
        """Keeps a clip's run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "of.json").write_text(self._of, encoding="utf-8")
        content = _FILES.dump_json(_File(_FORMAT, file_digest(clip.path), dict(about), run))
        path = self._path(clip)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)

    def _path(self, clip: Clip) -> Path:
        return self._folder / f"{clip.name}.json"


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
