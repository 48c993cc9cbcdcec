"""The current model's proposals as LabelImg XML, for a person to correct."""

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

# A model is sure that a region shows none of its labels where each score is below this part of its threshold.
SURE_OF_NONE = 0.5


@dataclass(frozen=True)
class Proposed:
    """How many files were written, with how many regions, and how many kept the XML that they had."""

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
    """Write an XML file beside every picture that has none; beside every picture if `force`.

    `thresholds` overrides some of the model's. Raises `DatasetError` for a file that is no picture.
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
    """A region's box, doubled under its best label over the threshold.

    Without one it is `difficult` (nobody knows), unless every score is so low that it is none of them.
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
