"""Puts labels of one's own on the faces and hands that show them.

Networks learn labels of faces and of hands. Somebody who labels `drinking_coffee` draws one box around the scene, and
often no face. The label then moves to the face or hand of which its box covers most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gifcue.gestures.samples import check_label
from gifcue_lab.datasets.annotation import DatasetError, LabelledObject, PixelBox
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.regions import ATTRIBUTES, FACE, HAND, kind_by_label

# A label belongs to the face or hand of which it covers at least this share.
MIN_COVERED = 0.3
# A detected face or hand with this IoU or more to a box that a person drew is that box.
SAME_REGION_IOU = 0.4


@dataclass(frozen=True, slots=True)
class OwnLabel:
    """A label of one's own: its name in the copies, and the kind, `face` or `hand`, that shows it."""

    name: str
    kind: str


def own_labels(face: Iterable[str], hand: Iterable[str]) -> dict[str, OwnLabel]:
    """Labels of one's own by what they are called in the XML files.

    Args:
        face, hand: labels that a face or a hand shows: `NAME`, or `NAME=LABEL` where the files say LABEL.

    Raises:
        DatasetError: a name is no label of gifcue's form, or is shown by another kind as well.
        GestureError: a name has other characters than a label may have.
    """
    kind_of = kind_by_label(ATTRIBUTES)
    own: dict[str, OwnLabel] = {}
    for kind, given in ((FACE, face), (HAND, hand)):
        for text in given:
            name, separator, label = (part.strip() for part in text.partition("="))
            if name in (FACE, HAND):
                raise DatasetError(
                    f"--{kind}: expected a label of a {kind}, got {name!r}, which names one itself"
                )
            if kind_of.setdefault(check_label(name), kind) != kind:
                raise DatasetError(
                    f"--{kind} {name}: expected a label of one kind, got one that a {kind_of[name]} shows"
                )
            own[label if separator else name] = OwnLabel(name, kind)
    return own


@dataclass(frozen=True, slots=True)
class Placed:
    """The boxes of one picture.

    Attributes:
        objects: each face and hand, with its label on a second box of the same place.
        unplaced: labels that lie on no face or hand; they are left out.
        doubled: labels that lie on one face or hand together. It is marked as difficult: what it shows is unknown.
    """

    objects: Sequence[LabelledObject]
    unplaced: Sequence[str]
    doubled: Sequence[tuple[str, ...]]


def place(
    drawn: Sequence[LabelledObject],
    found: Iterable[Sequence[LabelledObject]],
    own: Mapping[str, OwnLabel],
) -> Placed:
    """Puts what a person drew on what a detector found.

    Args:
        drawn: what a person drew. Labels are called as in `own`, or are gifcue's. Where a label is difficult, what the
            face or hand shows is unknown.
        found: what the detector found: a face or hand, and possibly its label on the same box. It counts where the
            person drew no such face or hand, and said no label of it.
        own: labels of one's own.
    """
    kind_of = {**kind_by_label(ATTRIBUTES), **{label: one.kind for label, one in own.items()}}
    regions = [each for each in drawn if each.label in (FACE, HAND)]
    proposed: dict[int, str] = {}
    for first, *rest in found:
        same = _overlapping(first, regions)
        if same is None:
            regions.append(first)
            same = len(regions) - 1
        if rest:
            proposed[same] = rest[0].label
    said: dict[int, set[str]] = {}
    doubtful: set[int] = set()
    unplaced: list[str] = []
    for labelled in drawn:
        if labelled.label in (FACE, HAND):
            continue
        name = own[labelled.label].name if labelled.label in own else labelled.label
        index = _covered(labelled.box, regions, kind_of[labelled.label])
        if index is None:
            unplaced.append(name)
        else:
            said.setdefault(index, set()).add(name)
            if labelled.difficult:
                doubtful.add(index)
    objects: list[LabelledObject] = []
    for index, region in enumerate(regions):
        labels = said.get(index) or ({proposed[index]} if index in proposed else set())
        if len(labels) == 1 and index not in doubtful:
            objects.append(region._replace(difficult=False))
            objects.extend(region._replace(label=label, difficult=False) for label in labels)
        else:
            objects.append(region._replace(difficult=region.difficult or bool(labels)))
    doubled = [tuple(sorted(labels)) for labels in said.values() if len(labels) > 1]
    return Placed(objects, unplaced, doubled)


def _overlapping(found: LabelledObject, regions: Sequence[LabelledObject]) -> int | None:
    """The region that is the same face or hand, None where none is."""
    same_kind = [index for index, region in enumerate(regions) if region.label == found.label]
    if not same_kind:
        return None
    overlaps = iou_matrix([found.box], [regions[index].box for index in same_kind])[0]
    best = int(overlaps.argmax())
    return same_kind[best] if overlaps[best] >= SAME_REGION_IOU else None


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
