"""Writes a model's detections as LabelImg XML, for people to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifcue.detect.detector import Detector
from gifcue.detect.regions import DEFAULT_THRESHOLD, Region
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.pictures import decode_rgb
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.voc import write_voc

# A region is taken to show none of its labels if every score is below this share of its threshold.
SURE_OF_NONE = 0.5


@dataclass(frozen=True)
class Proposed:
    """Numbers of files written, of regions in them, and of files whose XML was kept."""

    written: int
    regions: int
    kept: int


def autolabel(
    detector: Detector,
    pictures: Sequence[Path],
    *,
    force: bool = False,
    thresholds: Mapping[str, float] | None = None,
    track: Track = quiet,
) -> Proposed:
    """Writes an XML file beside every picture without one; beside every picture if `force`.

    `thresholds` overrides thresholds of the model. Raises `DatasetError` for a file that is no picture.
    """
    detector.warm()
    served = {**detector.info.thresholds, **(thresholds or {})}
    written = regions = kept = 0
    for path in track(pictures, "proposing"):
        target = path.with_suffix(".xml")
        if target.exists() and not force:
            kept += 1
            continue
        rgb = decode_rgb(path.read_bytes(), str(path))
        height, width = rgb.shape[:2]
        found = [r for r in detector.detect([rgb])[0] if r.score >= served.get(r.kind, DEFAULT_THRESHOLD)]
        objects = tuple(o for region in found for o in propose(region, width, height, served))
        write_voc(target, Annotation(path.name, width, height, objects))
        written += 1
        regions += len(found)
    return Proposed(written, regions, kept)


def propose(
    region: Region, width: int, height: int, thresholds: Mapping[str, float]
) -> tuple[LabelledObject, ...]:
    """The boxes of a region: one for its kind, and one for its best label that reaches the threshold.

    Without such a label the box is `difficult`, unless all scores are so low that the region shows none of the labels.
    """
    box = region.box
    edges = (
        max(0, round(box.xmin * width)),
        max(0, round(box.ymin * height)),
        min(width, round(box.xmax * width)),
        min(height, round(box.ymax * height)),
    )
    limits = {label: thresholds.get(label, DEFAULT_THRESHOLD) for label in region.attributes}
    over = [label for label, score in region.attributes.items() if score >= limits[label]]
    if over:
        best = max(over, key=lambda label: region.attributes[label])
        return LabelledObject(region.kind, *edges), LabelledObject(best, *edges)
    none = bool(limits) and all(region.attributes[x] < limits[x] * SURE_OF_NONE for x in limits)
    return (LabelledObject(region.kind, *edges, difficult=not none),)
