"""Makes pictures with labels of one's own trainable: each label is put on the face or hand that shows it.

Networks learn labels of faces and of hands. Somebody who labels `drinking_coffee` draws one box around the scene, and
often no face. Here the shipped model finds the faces and hands, and a label's box moves to the face or hand that it
overlaps most. What the shipped model says of the others (smile, wave, ...) is kept as a proposal. A network that learns
the new label then does not forget the others.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gifcue.detect.detector import Detector
from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject, PixelBox
from gifcue_lab.datasets.autolabel import propose
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.pictures import decode_rgb, find_pictures
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import ATTRIBUTES, FACE, HAND, LABELS
from gifcue_lab.datasets.voc import read_voc, write_voc

# A label belongs to the face or hand of which it covers at least this share.
MIN_COVERED = 0.3
# A detected face or hand with this IoU or more to a box that a person drew is that box.
SAME_REGION_IOU = 0.4
# Pictures that lie in no folder become groups of this many, in the order of their names: frames of one recording follow
# one another and look alike.
LOOSE_GROUP = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        pictures: how many were written.
        labels: how many faces and hands show each label, the shipped model's proposals included.
        unplaced: labels of one's own that lie on no face or hand, as `file: label`; they were left out.
    """

    pictures: int
    labels: Mapping[str, int]
    unplaced: Sequence[str] = field(default_factory=tuple)


def prepare(
    detector: Detector, source: Path, out: Path, own: Mapping[str, str], *, track: Track = quiet
) -> Prepared:
    """Writes a copy of labelled pictures in which every label has the box of a face or hand.

    Args:
        detector: finds faces and hands, and proposes the labels that it knows.
        source: pictures with LabelImg's XML beside them, a folder for each person or recording. Pictures without XML
            show none of the labels.
        out: a new or empty folder for the copies.
        own: the kind, `face` or `hand`, that shows each label of one's own.
        track: shows progress.

    Raises:
        DatasetError: `out` is not empty, there are no pictures, a file cannot be read, or a label is in neither `own`
            nor the detector's labels.
    """
    if out.exists() and any(out.iterdir()):
        raise DatasetError(f"{out}: expected a new or empty folder, got one with files")
    pictures = find_pictures(source)
    if not pictures:
        raise DatasetError(f"{source}: expected pictures, got none")
    detector.warm()
    counted: Counter[str] = Counter()
    unplaced: list[str] = []
    loose = 0
    for path in track(pictures, "preparing"):
        rgb = decode_rgb(path.read_bytes(), str(path))
        height, width = rgb.shape[:2]
        drawn = _drawn(path, own)
        found = [
            propose(region, width, height, detector.info.thresholds)
            for region in detector.detect([rgb])[0]
            if region.score >= detector.info.thresholds.get(region.kind, DEFAULT_THRESHOLD)
        ]
        objects, lost = merge(drawn, found, own)
        name = path.relative_to(source).as_posix()
        unplaced += [f"{name}: {label}" for label in lost]
        counted.update(each.label for each in objects)
        if path.parent == source:
            folder = out / f"set-{loose // LOOSE_GROUP + 1:02d}"
            loose += 1
        else:
            folder = out / path.parent.relative_to(source).as_posix().replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
        write_voc(folder / f"{path.stem}.xml", Annotation(path.name, width, height, tuple(objects)))
    return Prepared(len(pictures), dict(counted), tuple(unplaced))


def merge(
    drawn: Sequence[LabelledObject], found: Iterable[Sequence[LabelledObject]], own: Mapping[str, str]
) -> tuple[list[LabelledObject], list[str]]:
    """The objects of one picture, and labels that lie on no face or hand.

    Args:
        drawn: what a person drew.
        found: what the detector found: a face or hand, and possibly its label on the same box.
        own: the kind of each label of one's own.
    """
    kind_of = {**{name: kind for kind, names in ATTRIBUTES.items() for name in names}, **own}
    regions = [each for each in drawn if each.label in (FACE, HAND)]
    said: dict[int, str] = {}
    for first, *rest in found:
        same = _overlapping(first.box, regions, first.label, SAME_REGION_IOU)
        if same is None:
            regions.append(first)
            same = len(regions) - 1
        if rest:
            said[same] = rest[0].label
    lost: list[str] = []
    for labelled in drawn:
        if labelled.label in (FACE, HAND):
            continue
        place = _covered(labelled.box, regions, kind_of[labelled.label])
        if place is None:
            lost.append(labelled.label)
        else:
            said[place] = labelled.label  # a person's word goes before the detector's
    objects: list[LabelledObject] = []
    for index, region in enumerate(regions):
        label = said.get(index)
        objects.append(region._replace(difficult=False) if label else region)
        if label:
            objects.append(region._replace(label=label, difficult=False))
    return objects, lost


def _drawn(path: Path, own: Mapping[str, str]) -> Sequence[LabelledObject]:
    labels = path.with_suffix(".xml")
    if not labels.exists():
        return ()
    objects = read_voc(labels).objects
    unknown = sorted({each.label for each in objects} - {*LABELS, *own})
    if unknown:
        raise DatasetError(
            f"{labels}: expected the labels {', '.join((*LABELS, *own))}, got {', '.join(unknown)}; name each of your "
            "own with --face LABEL or --hand LABEL"
        )
    return objects


def _overlapping(box: PixelBox, regions: Sequence[LabelledObject], kind: str, least: float) -> int | None:
    overlaps = [float(iou_matrix([box], [each.box])[0, 0]) if each.label == kind else 0.0 for each in regions]
    best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] >= least else None


def _covered(box: PixelBox, regions: Sequence[LabelledObject], kind: str) -> int | None:
    """The region of this kind of which the box covers most, None where it is less than `MIN_COVERED`."""

    def share(region: LabelledObject) -> float:
        if region.label != kind:
            return 0.0
        wide = min(box.xmax, region.xmax) - max(box.xmin, region.xmin)
        tall = min(box.ymax, region.ymax) - max(box.ymin, region.ymin)
        return max(0.0, wide) * max(0.0, tall) / max(1.0, region.box.area)

    best = max(range(len(regions)), key=lambda index: share(regions[index]), default=None)
    return best if best is not None and share(regions[best]) >= MIN_COVERED else None
