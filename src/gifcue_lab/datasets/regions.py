"""Merges boxes into faces and hands with at most one attribute each.

A smiling face is labelled with two boxes at the same place, `face` and `smile`. `difficult` on the `face` means that
its expression is unknown. A `face` that is not difficult and has no second box is known to show no expression.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gifcue_lab.datasets.annotation import Annotation, LabelledObject, PixelBox
from gifcue_lab.datasets.boxes import iou_matrix

FACE = "face"
HAND = "hand"
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    FACE: ("smile", "neutral", "thinking"),
    HAND: ("wave", "ok_hand", "thumbs_up"),
}
# Least IoU of two boxes of one object. Copies in LabelImg are identical; boxes drawn twice differ by a few pixels.
SAME_BOX_IOU = 0.85


def labels_of(attributes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The kinds, then the attribute labels of each."""
    return (*attributes, *(label for labels in attributes.values() for label in labels))


def kind_by_label(attributes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The kind that shows each attribute label."""
    return {label: kind for kind, labels in attributes.items() for label in labels}


LABELS: tuple[str, ...] = labels_of(ATTRIBUTES)


class LabelledRegion(NamedTuple):
    """One face or hand.

    Attributes:
        kind: face or hand.
        box: in pixels.
        attribute: its expression or gesture; None for none, or if it is unknown.
        attribute_known: False if the attribute is unknown. Losses and metrics then ignore it.
    """

    kind: str
    box: PixelBox
    attribute: str | None
    attribute_known: bool


def with_own_labels(
    annotations: Iterable[Annotation], attributes: Mapping[str, Sequence[str]] = ATTRIBUTES
) -> dict[str, tuple[str, ...]]:
    """The attribute labels of each kind, with those that only the data has after the others, sorted.

    A label of the data belongs to the kind, face or hand, whose boxes its own boxes duplicate most often. A label that
    duplicates no box is left out.
    """
    known = set(labels_of(attributes))
    shown_by: dict[str, Counter[str]] = defaultdict(Counter)
    for annotation in annotations:
        bases = [each for each in annotation.objects if each.label in attributes]
        for labelled in annotation.objects:
            if labelled.label in known:
                continue
            place = _best(labelled.box, {index: base.box for index, base in enumerate(bases)})
            if place is not None:
                shown_by[labelled.label][bases[place].label] += 1
    own = {label: counts.most_common(1)[0][0] for label, counts in shown_by.items()}
    return {
        kind: (*labels, *sorted(label for label, shows in own.items() if shows == kind))
        for kind, labels in attributes.items()
    }


def pair_up(
    annotation: Annotation, attributes: Mapping[str, Sequence[str]] = ATTRIBUTES
) -> tuple[LabelledRegion, ...]:
    """Merges the boxes of a picture into regions, in the order of the file.

    `attributes` holds the attribute labels of each kind; objects with other labels are left out. An attribute's box
    without a box of its kind is a region too: a `smile` implies a face. The attribute is unknown if two different
    attributes have the same box, or if it is difficult.
    """
    kind_of = kind_by_label(attributes)
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
