"""From the runs of clips to their report.

In: a run for each clip, as a server, local parts or recordings gave them. Out: `ClipsEvaluation`, and its files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.clips.matching import ClipResult, match_clip
from gifcue_lab.evaluation.clips.metrics import report as make_report
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.timeline import draw_timeline
from gifcue_lab.evaluation.clips.truth import Clip, unlisted

REPORT_FILE = "report.json"
TIMELINES = "timelines"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The runs of the clips, in their order, and the description of what they were run with."""

    runs: list[ClipRun]
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClipsEvaluation:
    """The report, as documented in `gifcue_lab.evaluation.clips.metrics`, and what it was computed from.

    Attributes:
        report: JSON data.
        results: one per clip, in the order of their names.
        filter_off: the same with the similar-frame filter off, or None.
    """

    report: dict[str, Any]
    results: Sequence[ClipResult]
    filter_off: Sequence[ClipResult] | None = None


def unlisted_warnings(directory: Path, only: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    if only:
        return []
    return [f"{name}: expected in events.json, left out" for name in unlisted(directory, clips)]


def evaluation_of(
    clips: Sequence[Clip],
    evaluated: Evaluated,
    filter_off: Evaluated | None,
    dwell_s: dict[str, float],
    warnings: Sequence[str],
) -> ClipsEvaluation:
    results = _match(clips, evaluated)
    unfiltered = None if filter_off is None else _match(clips, filter_off)
    report = make_report(
        results,
        filter_off=unfiltered,
        dwell_s=dwell_s,
        about=evaluated.about,
        warnings=[*warnings, *_unknown_labels(clips, evaluated)],
    )
    return ClipsEvaluation(report, results, unfiltered)


def _match(clips: Sequence[Clip], evaluated: Evaluated) -> list[ClipResult]:
    return [match_clip(clip, clip_run) for clip, clip_run in zip(clips, evaluated.runs, strict=True)]


def _unknown_labels(clips: Sequence[Clip], evaluated: Evaluated) -> list[str]:
    expected = {each.label for clip in clips for each in clip.expect}
    unknown = sorted(expected - set(evaluated.about["reaction_labels"]))
    return [f"{label}: expected by clips, no reaction of this server: always missed" for label in unknown]


def write_report(
    directory: Path, evaluation: ClipsEvaluation, track: Track = quiet, *, timelines: bool = True
) -> None:
    """Writes report.json and, with `timelines`, one of each clip. Creates the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / REPORT_FILE).write_text(json.dumps(evaluation.report, indent=1), encoding="utf-8")
    if not timelines:
        return
    folder = directory / TIMELINES
    folder.mkdir(exist_ok=True)
    filter_off = {result.clip.name: result for result in evaluation.filter_off or ()}
    for result in track(evaluation.results, "drawing"):
        name = result.clip.name
        draw_timeline(result, folder / f"{name}.png", filter_off.get(name))
