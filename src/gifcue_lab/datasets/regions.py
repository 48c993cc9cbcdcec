"""Faces and hands with at most one attribute each, out of doubled boxes.

A person labels a smiling face by drawing `face` and, on the same box, `smile`. `difficult` on the `face`
says that nobody knows its expression; a `face` that is not difficult and has no second box is known to have
none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gifcue_lab.datasets.annotation import Annotation, LabelledObject, PixelBox
from gifcue_lab.datasets.boxes import iou_matrix

FACE = "face"
HAND = "hand"
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    FACE: ("smile", "neutral", "thinking"),
    HAND: ("wave", "ok_hand", "thumbs_up"),
}
LABELS: tuple[str, ...] = (FACE, HAND, *ATTRIBUTES[FACE], *ATTRIBUTES[HAND])
# LabelImg's copies are equal to the pixel; somebody who draws them twice by hand is off by a few.
SAME_BOX_IOU = 0.85


class LabelledRegion(NamedTuple):
    """One face or hand.

    `attribute` is its expression or gesture, None for none of them. `attribute_known` is False where nobody
    knows: mask it in a loss, leave it out of the figures. `attribute` is then always None.
    """

    kind: str
    box: PixelBox
    attribute: str | None
    attribute_known: bool


def pair_up(
    annotation: Annotation, attributes: Mapping[str, Sequence[str]] = ATTRIBUTES
) -> tuple[LabelledRegion, ...]:
    """Merge doubled boxes; the regions come in the order of the file.

    `attributes` gives the attribute labels of each kind; objects of other labels are left out. An
    attribute's box without a box of its kind is a region too: whoever drew a `smile` has seen a face. Two
    different attributes on one box contradict each other, so the attribute counts as unknown, and so does a
    difficult attribute.
    """
    kind_of = {attribute: kind for kind, names in attributes.items() for attribute in names}
    bases = [o for o in annotation.objects if o.label in attributes]
    said: list[list[LabelledObject]] = [[] for _ in bases]
    alone: list[tuple[LabelledObject, list[LabelledObject]]] = []
    for labelled in annotation.objects:
        kind = kind_of.get(labelled.label)
        if kind is None:
            continue
        found = _best(labelled.box, {i: b.box for i, b in enumerate(bases) if b.label == kind})
        if found is not None:
            said[found].append(labelled)
            continue
        found = _best(labelled.box, {i: b.box for i, (b, _) in enumerate(alone) if kind_of[b.label] == kind})
        if found is None:
            alone.append((labelled, [labelled]))
        else:
            alone[found][1].append(labelled)
    regions = [_region(base.label, base, labels) for base, labels in zip(bases, said, strict=True)]
    return (*regions, *(_region(kind_of[first.label], first, labels) for first, labels in alone))


def _best(box: PixelBox, candidates: Mapping[int, PixelBox]) -> int | None:
    """The number of the candidate that is the same box, the first of the best; None where none is."""
    if not candidates:
        return None
    overlaps = iou_matrix([box], list(candidates.values()))[0]
    best = int(overlaps.argmax())
    return list(candidates)[best] if overlaps[best] >= SAME_BOX_IOU else None


def _region(kind: str, base: LabelledObject, said: Sequence[LabelledObject]) -> LabelledRegion:
    labels = {o.label for o in said}
    if not labels:
        return LabelledRegion(kind, base.box, None, not base.difficult)
    known = len(labels) == 1 and not any(o.difficult for o in said)
    return LabelledRegion(kind, base.box, labels.pop() if known else None, known)
