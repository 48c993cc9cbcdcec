"""From the list of events of a video corpus to events.json, so that `gifcue-lab evaluate clips` runs on it.

A list is a CSV file with a line for each event: the video, its class, and its first and last frame. `Annot_List.txt` of
IPN Hand is one. A class becomes a reaction that is expected or allowed, or nothing: then every reaction during it is
false.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.truth import VIDEO_SUFFIXES

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns. A list without a line of names has IPN Hand's columns in IPN Hand's order."""

    video: str = "video"
    label: str = "label"
    first: str = "t_start"
    last: str = "t_end"


# The columns of IPN Hand.
IPN_HAND = ("video", "label", "id", "t_start", "t_end", "frames")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the classes of a corpus mean.

    Attributes:
        expect: the reaction that a class expects, by class.
        allow: the reactions that may start during a class, by class; those of the class `""` at any time.
    """

    expect: Mapping[str, str]
    allow: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Converted:
    """The content of events.json, the classes by their number of events, and the videos that are not in the folder."""

    content: dict[str, Any]
    classes: dict[str, int]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    label: str
    start_s: float
    end_s: float


def convert_events(
    path: Path, videos: Path, *, fps: float, meaning: Meaning, columns: Columns | None = None
) -> Converted:
    """Converts a list. Frames are counted from 1, and the last one belongs to the event.

    Args:
        path: the list.
        videos: the folder of the videos. Their names are those of the list, with or without a suffix.
        fps: frames per second of the videos.
        meaning: what the classes mean.
        columns: names of the columns.

    Raises:
        DatasetError: the list cannot be read, a frame is no number, a class of `meaning` does not occur, or none of the
            videos is in the folder.
    """
    events = _read(path, fps, columns or Columns())
    classes: dict[str, int] = {}
    for each in (event for found in events.values() for event in found):
        classes[each.label] = classes.get(each.label, 0) + 1
    for name in {*meaning.expect, *meaning.allow} - {""} - set(classes):
        raise DatasetError(f"{path}: expected one of its classes {', '.join(sorted(classes))}, got {name!r}")
    try:
        there = {each.stem: each.name for each in videos.iterdir() if each.suffix.lower() in VIDEO_SUFFIXES}
    except OSError as error:
        raise DatasetError(f"{videos}: expected a folder with videos, got: {error.strerror}") from None
    files = {name: there.get(Path(name).stem, "") for name in events}
    clips = {file: _clip(events[name], meaning) for name, file in files.items() if file}
    if not clips:
        raise DatasetError(f"{videos}: expected videos such as {next(iter(events))} of {path}, got none")
    about = f"Converted from {path.name} by `gifcue-lab dataset events`."
    lacking = tuple(sorted(name for name, file in files.items() if not file))
    return Converted({"about": about, "clips": clips}, dict(sorted(classes.items())), lacking)


def _clip(events: Sequence[_Event], meaning: Meaning) -> dict[str, Any]:
    events = sorted(events, key=lambda each: (each.start_s, each.end_s))
    allow: list[Any] = list(meaning.allow.get("", ()))
    for event in events:
        allow += [_span(label, event) for label in meaning.allow.get(event.label, ())]
    return {
        "expect": [
            _span(meaning.expect[each.label], each) for each in events if each.label in meaning.expect
        ],
        "allow": allow,
        "segments": [{"kind": each.label, "start_s": each.start_s, "end_s": each.end_s} for each in events],
    }


def _span(label: str, event: _Event) -> dict[str, Any]:
    return {"label": label, "start_s": event.start_s, "end_s": event.end_s}


def _read(path: Path, fps: float, columns: Columns) -> dict[str, list[_Event]]:
    """The events by video, in the order of the list."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: expected a list of events, got: {error}") from None
    if not rows:
        raise DatasetError(f"{path}: expected a list of events, got an empty file")
    wanted = (columns.video, columns.label, columns.first, columns.last)
    names = [name.strip() for name in rows[0]]
    has_names = set(wanted) <= set(names)
    if not has_names:
        names = list(IPN_HAND)
        if len(rows[0]) != len(names):
            raise DatasetError(
                f"{path}: expected the columns {', '.join(wanted)} in the first line, got {', '.join(rows[0])}"
            )
    events: dict[str, list[_Event]] = {}
    for number, row in enumerate(rows[has_names:], 1 + has_names):
        values = dict(zip(names, (value.strip() for value in row), strict=False))
        try:
            first, last = int(values[columns.first]), int(values[columns.last])
        except (KeyError, ValueError):
            raise DatasetError(
                f"{path}: line {number}: expected whole numbers as first and last frame, got {','.join(row)}"
            ) from None
        if not 1 <= first <= last:
            raise DatasetError(f"{path}: line {number}: expected frames from 1 up, got {first} to {last}")
        start_s, end_s = round((first - 1) / fps, _DIGITS), round(last / fps, _DIGITS)
        events.setdefault(values[columns.video], []).append(_Event(values[columns.label], start_s, end_s))
    return events
