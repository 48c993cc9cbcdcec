"""Figures for each band of a property, such as faces in the dark or hands far away.

Keys that this adds to the report:

    by_property {name: {about, spread {all, within_groups, correlation_with_light} or null,
                        bands {band: {labels {label: {positives, groups, precision, recall, f1, right, wrong, missed,
                                                      intervals {precision, recall, f1} or null}}}}}}

A labelled region counts in the band of its own value. So does a false detection that lies on a labelled face or hand;
any other false detection counts in the band of its own box. `spread` compares the interquartile range of the values of
faces with the median of that within groups. Where both are alike, the property says little about a person: what is
measured changes from picture to picture. Its rank correlation (Spearman) with the light on the face is given too, and
null for light itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from gifcue.gestures.counts import Counts
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import FACE, kind_by_label, labels_of
from gifcue_lab.evaluation.intervals import Bootstrap, Draws
from gifcue_lab.evaluation.landmarks import Teacher
from gifcue_lab.evaluation.matches import PictureMatches
from gifcue_lab.evaluation.matching import MATCH_IOU, Floats
from gifcue_lab.evaluation.metrics import Evaluation, rounded
from gifcue_lab.evaluation.overlap import missed_boxes
from gifcue_lab.evaluation.properties import LIGHT, UNKNOWN, Property, Scene, scene_of

# A group enters the spread with at least this many faces.
_LEAST_FACES = 5
# right, wrong and missed by group.
_Tally = dict[str, list[int]]


class _Value(NamedTuple):
    """A property of one face, and the light on it."""

    group: str
    value: float
    light: float


def add_properties(
    evaluation: Evaluation,
    properties: Sequence[Property],
    teacher: Teacher | None,
    bootstrap: Bootstrap | None,
    track: Track = quiet,
) -> Evaluation:
    """The evaluation with the keys above. Reads every picture once.

    Raises `DatasetError` for a picture that cannot be decoded.
    """
    if not properties:
        return replace(evaluation, report={**evaluation.report, "by_property": None})
    tallies: dict[str, dict[str, dict[str, _Tally]]] = {each.name: {} for each in properties}
    values: dict[str, list[_Value]] = {each.name: [] for each in properties}
    kinds = {**kind_by_label(evaluation.attributes), **{kind: kind for kind in evaluation.attributes}}
    labels = labels_of(evaluation.attributes)
    for one in track(evaluation.matches, "measuring"):
        scene = scene_of(one.picture, teacher)
        for each in properties:
            _count(one, scene, each, kinds, tallies[each.name])
            for region in one.picture.regions:
                value = each.measure(scene, region.kind, region.box) if region.kind == FACE else None
                light = LIGHT.measure(scene, region.kind, region.box)
                if isinstance(value, float) and isinstance(light, float):
                    values[each.name].append(_Value(one.picture.group, value, light))
    groups = sorted({one.picture.group for one in evaluation.matches})
    draws = bootstrap.draw(len(groups)) if bootstrap else None
    report = {
        each.name: {
            "about": each.about,
            "spread": _spread(values[each.name], each is LIGHT),
            "bands": {
                band: {
                    "labels": {
                        label: _figures(tallies[each.name].get(band, {}).get(label, {}), groups, draws)
                        for label in labels
                    }
                }
                for band in (*each.bands, UNKNOWN)
            },
        }
        for each in properties
    }
    return replace(evaluation, report={**evaluation.report, "by_property": report})


def _count(
    one: PictureMatches,
    scene: Scene,
    wanted: Property,
    kinds: Mapping[str, str],
    tallies: dict[str, dict[str, _Tally]],
) -> None:
    """Adds the right, wrong and missed detections of a picture to the tallies by band, label and group."""
    known: dict[tuple[str, Box], str] = {}

    def add(kind: str, box: Box, label: str, column: int) -> None:
        if (kind, box) not in known:
            known[kind, box] = wanted.band(wanted.measure(scene, kind, box))
        tally = tallies.setdefault(known[kind, box], {}).setdefault(label, {})
        tally.setdefault(one.picture.group, [0, 0, 0])[column] += 1

    missed = {label: missed_boxes(one, label) for label in kinds}
    for region in one.picture.regions:
        shown = [region.kind]
        if region.attribute_known and kinds.get(region.attribute or "") == region.kind:
            shown.append(str(region.attribute))
        for label in shown:
            add(region.kind, region.box, label, 2 if region.box in missed[label] else 0)
    for mistake in one.mistakes:
        if mistake.said != "missed":
            kind = kinds[mistake.label]
            add(kind, _there(one, kind, mistake.box), mistake.label, 1)


def _there(one: PictureMatches, kind: str, box: Box) -> Box:
    """The box of the labelled region of a kind that a detection lies on, or else its own."""
    regions = [region.box for region in one.picture.regions if region.kind == kind]
    best = max(regions, key=box.iou, default=box)
    return best if best.iou(box) >= MATCH_IOU else box


def _figures(tally: _Tally, groups: Sequence[str], draws: Draws | None) -> dict[str, Any]:
    counts = np.array([tally.get(group, (0, 0, 0)) for group in groups], np.float64).reshape(-1, 3)
    right, wrong, missed = counts.T
    total = Counts(*(int(each) for each in counts.sum(axis=0)))
    found = {
        "precision": draws and draws.ratio(right, right + wrong),
        "recall": draws and draws.ratio(right, right + missed),
        "f1": draws and draws.f1(right, wrong, missed),
    }
    return {
        "positives": total.right + total.missed,
        "groups": int(np.count_nonzero(right + missed)),
        "precision": rounded(total.precision),
        "recall": rounded(total.recall),
        "f1": rounded(total.f1),
        **total._asdict(),
        "intervals": draws
        and {name: edges and [rounded(edge) for edge in edges] for name, edges in found.items()},
    }


def _spread(values: Sequence[_Value], is_light: bool) -> dict[str, float | None] | None:
    if not values:
        return None
    groups: dict[str, list[float]] = defaultdict(list)
    for each in values:
        groups[each.group].append(each.value)
    within = [_range(group) for group in groups.values() if len(group) >= _LEAST_FACES]
    measured, light = np.array([each.value for each in values]), np.array([each.light for each in values])
    varies = np.ptp(measured) > 0 and np.ptp(light) > 0 and not is_light
    return {
        "all": rounded(_range(measured)),
        "within_groups": rounded(float(np.median(within))) if within else None,
        "correlation_with_light": rounded(spearmanr(measured, light).statistic) if varies else None,
    }


def _range(values: Sequence[float] | Floats) -> float:
    low, high = np.percentile(values, (25, 75))
    return float(high - low)
