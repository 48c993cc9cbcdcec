"""Reads `events.json`, the expected reactions of a folder of clips.

    {"clips": {"talk.mp4": {"seconds": 30.6,
                            "expect": [{"label": "smile", "start_s": 9.8, "end_s": 12.6}],
                            "allow": ["thinking", {"label": "wave", "start_s": 20.0, "end_s": 22.5}]}}}

Each of `expect` needs exactly one reaction. A reaction of `allow` is neither expected nor false, at any time or if it
starts within a span. Every other reaction is false. `seconds` is optional. So are `segments`, which say what happens
when, and `person`; further keys are ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gifcue_lab.datasets.annotation import DatasetError

EVENTS_FILE = "events.json"
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")


class Expected(BaseModel):
    """A reaction that is expected or allowed from `start_s` to `end_s` of the clip."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(min_length=1, description="The reaction.")
    start_s: float = Field(ge=0.0, description="Its onset, seconds from the clip's start.")
    end_s: float = Field(description="When it is over, seconds from the clip's start.")

    @model_validator(mode="after")
    def _check(self) -> Expected:
        if self.end_s < self.start_s:
            raise ValueError(f"expected end_s to be at least start_s, {self.start_s}, got {self.end_s}")
        return self


class Part(BaseModel):
    """What happens from `start_s` to `end_s` of the clip, for reports on single kinds of it."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(min_length=1, description="A name for what happens.")
    start_s: float = Field(ge=0.0, description="Seconds from the clip's start.")
    end_s: float = Field(ge=0.0, description="Seconds from the clip's start.")
    shows: tuple[str, ...] = Field(default=(), description="The pictures that are shown.")


class _Entry(BaseModel):
    seconds: float | None = Field(default=None, gt=0.0)
    expect: tuple[Expected, ...] = ()
    allow: tuple[str | Expected, ...] = ()
    segments: tuple[Part, ...] = ()
    person: str = ""

    @model_validator(mode="before")
    @classmethod
    def _spelt(cls, values: Any) -> Any:
        # A misspelt key would be ignored, and its reactions would count as false.
        for key in values if isinstance(values, dict) else ():
            close = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.8)
            if close and key not in cls.model_fields:
                raise ValueError(f"expected {close[0]!r} by its name, got {key!r}")
        return values


class _File(BaseModel):
    clips: dict[str, _Entry]


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip with its expected reactions.

    Attributes:
        name: the file's name.
        path: the file.
        seconds: its length; None if events.json does not state it.
        expect: the expected reactions.
        allow: labels that are allowed at any time.
        allow_spans: labels that are allowed within a span.
        segments: what happens when; empty if events.json does not state it.
        person: who is shown; empty likewise.
    """

    name: str
    path: Path
    seconds: float | None = None
    expect: tuple[Expected, ...] = ()
    allow: frozenset[str] = frozenset()
    allow_spans: tuple[Expected, ...] = ()
    segments: tuple[Part, ...] = ()
    person: str = ""


def read_clips(directory: Path, only: Sequence[str] = ()) -> list[Clip]:
    """The clips in the events.json of a folder, sorted by name; with `only`, just these.

    Raises:
        DatasetError: events.json is missing or wrong, names a file that is not there, or none of `only`.
    """
    path = directory / EVENTS_FILE
    try:
        entries = _File.model_validate_json(path.read_bytes()).clips
    except OSError as error:
        raise DatasetError(f"{path}: expected what the clips hold, got: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DatasetError(f"{path}: {where}: {first['msg']}, got {str(first['input'])[:100]}") from None
    for name in only:
        if name not in entries:
            raise DatasetError(f"{path}: expected clips by the name of {name}, got none")
    clips = [
        Clip(
            name,
            directory / name,
            entry.seconds,
            entry.expect,
            frozenset(each for each in entry.allow if isinstance(each, str)),
            tuple(each for each in entry.allow if isinstance(each, Expected)),
            entry.segments,
            entry.person,
        )
        for name, entry in sorted(entries.items())
        if not only or name in only
    ]
    if not clips:
        raise DatasetError(f"{path}: expected at least one clip, got none")
    for clip in clips:
        # The report writes files that are named after clips.
        if Path(clip.name).name != clip.name:
            raise DatasetError(f"{path}: expected the name of a file beside it, got {clip.name!r}")
        if not clip.path.is_file():
            raise DatasetError(f"{path}: expected {clip.name} beside it, got no such file")
    return clips


def unlisted(directory: Path, clips: Sequence[Clip]) -> list[str]:
    """Names of the folder's videos that are not in events.json."""
    known = {clip.name for clip in clips}
    videos = (each.name for each in directory.iterdir() if each.suffix.lower() in VIDEO_SUFFIXES)
    return sorted(name for name in videos if name not in known)
