"""Matches the detections of a picture to its labelled regions, for every label, and lists the mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gifcue.detect.regions import DEFAULT_THRESHOLD, Detection
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.regions import ATTRIBUTES, HAND, kind_by_label, labels_of
from gifcue_lab.evaluation.matching import MASKED, MATCH_IOU, MISS, ScoredDetections, match
from gifcue_lab.evaluation.predictions import Prediction
from gifcue_lab.evaluation.truth import TruthPicture, TruthRegion, box_array

# Row and column names of confusion matrices, in addition to the attributes.
NONE = "none"
NOT_FOUND = "not found"
NOTHING_THERE = "nothing there"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One false or missed detection.

    Attributes:
        label: the label that was detected or missed.
        truth: what the labels say is there.
        said: what was detected there, or `missed`.
        box: the detection's box, or the region's if it was missed.
        score: of the detection. For a miss, the score below the threshold; 0 without a detection.
        severity: 0..1, 1 is worst.
    """

    picture: TruthPicture
    label: str
    truth: str
    said: str
    box: Box
    score: float
    severity: float


@dataclass(frozen=True, slots=True)
class PictureMatches:
    """The matches of one picture.

    Attributes:
        scores: by label, the scores of all detections that are not masked.
        right: by label, whether each of these matches a positive.
        positives: by label, how many positives there are.
        masked: by label, how many masked detections reach the threshold.
        confusion: (kind, truth, detected) of every region with a known attribute.
        negative_hands: how many hands are known to make no gesture.
        false_hands: the gestures detected on these hands, at most one per hand.
        gestures: all detected gestures.
        ignored: the labels of detections that are none of the labels that are measured.
        mistakes: false and missed detections at the thresholds.
    """

    picture: TruthPicture
    scores: Mapping[str, tuple[float, ...]]
    right: Mapping[str, tuple[bool, ...]]
    positives: Mapping[str, int]
    masked: Mapping[str, int]
    confusion: tuple[tuple[str, str, str], ...]
    negative_hands: int
    false_hands: tuple[str, ...]
    gestures: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    ignored: tuple[str, ...] = ()

    @property
    def hands_make_no_gesture(self) -> bool:
        """Whether there is a hand, and all hands are known to make no gesture."""
        hands = [r for r in self.picture.regions if r.kind == "hand"]
        return bool(hands) and all(r.attribute_known and r.attribute is None for r in hands)

    @property
    def has_hands(self) -> bool:
        return any(r.kind == "hand" for r in self.picture.regions)


def match_picture(
    picture: TruthPicture,
    prediction: Prediction,
    thresholds: Mapping[str, float],
    attributes: Mapping[str, Sequence[str]] = ATTRIBUTES,
) -> PictureMatches:
    """Matches the detections of one picture, and lists its mistakes at these thresholds.

    `attributes` holds the labels that the detector tells apart, by kind. A region that shows another label shows none
    of these.
    """
    kind_of = kind_by_label(attributes)
    by_label: dict[str, list[Detection]] = {label: [] for label in labels_of(attributes)}
    ignored: list[str] = []
    for detection in prediction.detections:
        if detection.label in by_label:
            by_label[detection.label].append(detection)
        else:
            ignored.append(detection.label)
    scores, right, positives, masked = {}, {}, {}, {}
    mistakes: list[Mistake] = []
    for label, found in by_label.items():
        wanted, hidden, others = _sides(picture.regions, label, kind_of.get(label))
        hit = match(
            np.array([d.score for d in found], np.float64),
            box_array([d.box for d in found]),
            box_array([r.box for r in wanted]),
            box_array([r.box for r in hidden]),
        )
        counting = [i for i in range(len(found)) if hit[i] != MASKED]
        scores[label] = tuple(found[i].score for i in counting)
        right[label] = tuple(bool(hit[i] >= 0) for i in counting)
        threshold = thresholds.get(label, DEFAULT_THRESHOLD)
        positives[label] = len(wanted)
        masked[label] = sum(d.score >= threshold for d, i in zip(found, hit, strict=True) if i == MASKED)
        for index in counting:
            if hit[index] == MISS and found[index].score >= threshold:
                mistakes.append(_false(picture, found[index], others, wanted, kind_of))
        said = {int(hit[i]): found[i].score for i in counting if hit[i] >= 0}
        mistakes.extend(
            Mistake(picture, label, label, "missed", region.box, score, 1.0 - score)
            for place, region in enumerate(wanted)
            if (score := said.get(place, 0.0)) < threshold
        )
    confusion, false_hands = _confusion(picture, by_label, thresholds, attributes)
    negative_hands = sum(
        r.kind == "hand" and r.attribute_known and r.attribute is None for r in picture.regions
    )
    gestures = tuple(
        d.label for label in attributes.get(HAND, ()) for d in _over(by_label[label], thresholds)
    )
    return PictureMatches(
        picture,
        scores,
        right,
        positives,
        masked,
        confusion,
        negative_hands,
        false_hands,
        gestures,
        tuple(mistakes),
        tuple(ignored),
    )


def gather(matches: Sequence[PictureMatches], label: str) -> ScoredDetections:
    """The detections of one label in a set of pictures."""
    scores = [score for one in matches for score in one.scores[label]]
    right = [flag for one in matches for flag in one.right[label]]
    positives = sum(one.positives[label] for one in matches)
    return ScoredDetections(np.array(scores, np.float64), np.array(right, np.bool_), positives)


def _sides(
    regions: Sequence[TruthRegion], label: str, kind: str | None
) -> tuple[list[TruthRegion], list[TruthRegion], list[TruthRegion]]:
    """The regions that have the label, that may have it, and that do not have it.

    `kind` is what shows the label, None for the label of a kind itself.
    """
    if kind is None:
        return [r for r in regions if r.kind == label], [], [r for r in regions if r.kind != label]
    own = [r for r in regions if r.kind == kind]
    return (
        [r for r in own if r.attribute_known and r.attribute == label],
        [r for r in own if not r.attribute_known],
        [r for r in own if r.attribute_known and r.attribute != label],
    )


def _over(detections: Sequence[Detection], thresholds: Mapping[str, float]) -> list[Detection]:
    return [d for d in detections if d.score >= thresholds.get(d.label, DEFAULT_THRESHOLD)]


def _false(
    picture: TruthPicture,
    detection: Detection,
    others: Sequence[TruthRegion],
    wanted: Sequence[TruthRegion],
    kind_of: Mapping[str, str],
) -> Mistake:
    label = detection.label
    there = next((r for r in others if r.box.iou(detection.box) >= MATCH_IOU), None)
    if there is not None:
        truth = there.attribute or (NONE if label in kind_of else there.kind)
    elif any(r.box.iou(detection.box) >= MATCH_IOU for r in wanted):
        truth = "already found"
    else:
        truth = NOTHING_THERE
    return Mistake(picture, label, truth, label, detection.box, detection.score, detection.score)


def _confusion(
    picture: TruthPicture,
    by_label: Mapping[str, Sequence[Detection]],
    thresholds: Mapping[str, float],
    attributes: Mapping[str, Sequence[str]],
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    """(kind, truth, detected) of known regions, and the gestures detected on hands that make none."""
    entries: list[tuple[str, str, str]] = []
    false_hands: list[str] = []
    for kind, labels in attributes.items():
        regions = [r for r in picture.regions if r.kind == kind]
        boxes = box_array([r.box for r in regions])
        shown: list[Detection | None] = [None] * len(regions)
        for detection in (d for label in labels for d in _over(by_label[label], thresholds)):
            place = _place(detection, boxes)
            if place is None:
                entries.append((kind, NOTHING_THERE, detection.label))
            elif (best := shown[place]) is None or best.score < detection.score:
                shown[place] = detection
        found = {_place(d, boxes) for d in _over(by_label[kind], thresholds)}
        for place, region in enumerate(regions):
            attribute = shown[place]
            if not region.attribute_known:
                continue
            said = attribute.label if attribute else NONE if place in found else NOT_FOUND
            entries.append((kind, region.attribute or NONE, said))
            if kind == "hand" and region.attribute is None and attribute is not None:
                false_hands.append(attribute.label)
    return tuple(entries), tuple(false_hands)


def _place(detection: Detection, boxes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int | None:
    """The index of the region with the highest IoU of at least `MATCH_IOU`; None without one."""
    if not len(boxes):
        return None
    overlaps = iou_matrix(box_array([detection.box]), boxes)[0]
    return int(overlaps.argmax()) if overlaps.max() >= MATCH_IOU else None
