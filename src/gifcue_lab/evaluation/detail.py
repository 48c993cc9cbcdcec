"""Adds to the report on pictures: intervals, parts of the data, hands over faces, and what chose the thresholds.

Keys that this adds to the form in `metrics`:

    labels.L.intervals {ap50, precision, recall, f1: [low, high] or null}, or null
    false_gestures.X.interval [low, high] or null
    overlapping_hands {overlap, hands, found, recall, groups, interval}     hands of which this share is over a face
    parts {name: {of [text], pictures, groups, labels, false_gestures, overlapping_hands}} or null
    groups_in_no_part [name]                                               empty without parts
    bootstrap {over, resamples, seed, level} or null
    thresholds_chosen_on [text] or null                                    what the model's metadata says
    thresholds_saw_these_pictures true, false, or null if it is not known
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation import overlap
from gifcue_lab.evaluation.intervals import LEVEL, Bootstrap, Draws, Interval
from gifcue_lab.evaluation.matches import PictureMatches, gather
from gifcue_lab.evaluation.matching import Floats
from gifcue_lab.evaluation.metrics import Evaluation, figures, rounded
from gifcue_lab.evaluation.parts import Part, check_parts

Count = Callable[[PictureMatches], float]


@dataclass(frozen=True)
class Detail:
    """What to add.

    Attributes:
        bootstrap: how intervals are computed; None for no intervals.
        parts: reported apart.
        overlap: the least share of a hand, above 0 and at most 1, that lies over a face.

    Raises `DatasetError` if `overlap` is out of range.
    """

    bootstrap: Bootstrap | None = field(default_factory=Bootstrap)
    parts: Sequence[Part] = ()
    overlap: float = overlap.OVERLAP

    def __post_init__(self) -> None:
        if not 0.0 < self.overlap <= 1.0:
            raise DatasetError(f"expected an overlap above 0 and at most 1, got {self.overlap}")


def add_detail(
    evaluation: Evaluation,
    detail: Detail,
    chosen_on: Sequence[str] | None = None,
    split: str | None = None,
) -> Evaluation:
    """The evaluation with the keys above.

    Args:
        chosen_on: what the thresholds were chosen on; None if it is not known.
        split: the name of the evaluated split.

    Raises `DatasetError` if a part holds no group.
    """
    groups = [one.picture.group for one in evaluation.matches]
    left = check_parts(detail.parts, groups)
    report = dict(evaluation.report)
    report.update(_figures(evaluation.matches, report, detail))
    parts = {part.name: _part(evaluation, part, detail) for part in detail.parts}
    report["parts"] = parts or None
    report["groups_in_no_part"] = list(left) if parts else []
    boot = detail.bootstrap
    report["bootstrap"] = boot and {
        "over": "groups",
        "resamples": boot.resamples,
        "seed": boot.seed,
        "level": LEVEL,
    }
    report["thresholds_chosen_on"] = None if chosen_on is None else list(chosen_on)
    report["thresholds_saw_these_pictures"] = _saw(chosen_on, split)
    return replace(evaluation, report=report)


def thresholds_chosen_on(model_dir: Path) -> tuple[str, ...] | None:
    """What a model's metadata says that its thresholds were chosen on; None if it does not say so."""
    try:
        metadata = json.loads((model_dir / "metadata.json").read_text(encoding="utf-8"))
        return tuple(str(each) for each in metadata["training"]["thresholds"]["chosen_on"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _saw(chosen_on: Sequence[str] | None, split: str | None) -> bool | None:
    """Whether one of the texts holds the split's name as a word."""
    if chosen_on is None or not split:
        return None
    return any(split in re.findall(r"[\w-]+", each) for each in chosen_on)


def _part(evaluation: Evaluation, part: Part, detail: Detail) -> dict[str, Any]:
    members = [one for one in evaluation.matches if part.holds(one.picture.group)]
    known = figures(members, evaluation.thresholds, evaluation.attributes)
    known.update(_figures(members, known, detail))
    kept = ("pictures", "groups", "labels", "false_gestures", "overlapping_hands")
    return {"of": list(part.groups), **{key: known[key] for key in kept}}


def _figures(matches: Sequence[PictureMatches], known: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    """Labels and false gestures with intervals, and the hands over faces."""
    groups = sorted(known["by_group"])
    draws = detail.bootstrap.draw(len(groups)) if detail.bootstrap else None
    return {
        "labels": {
            label: {**entry, "intervals": draws and _intervals(matches, known["by_group"], label, draws)}
            for label, entry in known["labels"].items()
        },
        "false_gestures": _false_gestures(matches, groups, known["false_gestures"], draws),
        "overlapping_hands": _overlapping(matches, groups, draws, detail.overlap),
    }


def _intervals(
    matches: Sequence[PictureMatches], by_group: Mapping[str, Any], label: str, draws: Draws
) -> dict[str, Any]:
    groups = sorted(by_group)
    right, wrong, missed, positives = (
        np.array([by_group[group]["labels"][label][key] for group in groups], np.float64)
        for key in ("right", "wrong", "missed", "positives")
    )
    places = {group: place for place, group in enumerate(groups)}
    group_of = np.repeat(
        np.array([places[one.picture.group] for one in matches], np.intp),
        np.array([len(one.scores[label]) for one in matches], np.intp),
    )
    return {
        "ap50": _pair(draws.average_precision(gather(matches, label), group_of, positives)),
        "precision": _pair(draws.ratio(right, right + wrong)),
        "recall": _pair(draws.ratio(right, right + missed)),
        "f1": _pair(draws.f1(right, wrong, missed)),
    }


def _false_gestures(
    matches: Sequence[PictureMatches], groups: Sequence[str], known: Mapping[str, Any], draws: Draws | None
) -> dict[str, Any]:
    counts: dict[str, tuple[Count, Count]] = {
        "hands": (lambda one: len(one.false_hands), lambda one: one.negative_hands),
        "frames": (
            lambda one: one.hands_make_no_gesture and bool(one.gestures),
            lambda one: one.hands_make_no_gesture,
        ),
        "frames_without_hands": (
            lambda one: not one.has_hands and bool(one.gestures),
            lambda one: not one.has_hands,
        ),
    }
    return {
        name: {
            **known[name],
            "interval": draws
            and _pair(draws.ratio(_sums(matches, groups, false), _sums(matches, groups, of))),
        }
        for name, (false, of) in counts.items()
    }


def _overlapping(
    matches: Sequence[PictureMatches], groups: Sequence[str], draws: Draws | None, least: float
) -> dict[str, Any]:
    there = _sums(matches, groups, lambda one: overlap.overlapping_hands(one, least)[0])
    found = _sums(matches, groups, lambda one: overlap.overlapping_hands(one, least)[1])
    return {
        "overlap": least,
        "hands": int(there.sum()),
        "found": int(found.sum()),
        "recall": rounded(found.sum() / there.sum() if there.sum() else None),
        "groups": int(np.count_nonzero(there)),
        "interval": draws and _pair(draws.ratio(found, there)),
    }


def _sums(matches: Sequence[PictureMatches], groups: Sequence[str], count: Count) -> Floats:
    """A count by group, [G]."""
    places = {group: place for place, group in enumerate(groups)}
    sums = np.zeros(len(groups))
    for one in matches:
        sums[places[one.picture.group]] += count(one)
    return sums


def _pair(interval: Interval | None) -> list[float | None] | None:
    return interval and [rounded(edge) for edge in interval]
