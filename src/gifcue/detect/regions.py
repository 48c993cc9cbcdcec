"""What a detector sees in a frame: faces and hands, each with what it shows.

Coordinates are shares of the frame, 0..1, y first as in TensorFlow's Object Detection API. A `Region` is
what the networks think in: one face or hand with its attributes. A `Detection` is the flat form of it, a
label, a score and a box, one for the region and one for each attribute over its threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from gifcue.protocol.geometry import Box

Kind = Literal["face", "hand"]
Landmarks = npt.NDArray[np.float32]

KINDS: tuple[Kind, Kind] = ("face", "hand")
# Used where a model brings no threshold for a label.
DEFAULT_THRESHOLD = 0.5
# An attribute's box belongs to the region that it overlaps most, if it overlaps one at least this much.
MIN_GROUP_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One face or hand.

    `score` is the probability that it is one. `attributes` maps labels (smile, wave, ...) to calibrated
    probabilities; one that the model did not judge is absent. `landmarks` is float32 [N, 2] (x, y) or [N, 3]
    (x, y, z) in shares of the frame, x by its width and y by its height, z by its width, or None.
    """

    kind: Kind
    box: Box
    score: float
    attributes: Mapping[str, float] = field(default_factory=dict)
    landmarks: Landmarks | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """A label, its score 0..1, and where."""

    label: str
    score: float
    box: Box


def flatten(regions: Iterable[Region], thresholds: Mapping[str, float]) -> list[Detection]:
    """The flat form: a detection for each region and each of its attributes that reach their label's
    threshold.

    A region below its own threshold gives nothing, whatever its attributes say. Best first within a region.
    """
    detections: list[Detection] = []
    for region in regions:
        if region.score < thresholds.get(region.kind, DEFAULT_THRESHOLD):
            continue
        detections.append(Detection(region.kind, region.score, region.box))
        shown = [
            Detection(label, score, region.box)
            for label, score in region.attributes.items()
            if score >= thresholds.get(label, DEFAULT_THRESHOLD)
        ]
        detections.extend(sorted(shown, key=lambda detection: -detection.score))
    return detections


def group(detections: Sequence[Detection]) -> list[Region]:
    """Regions from a plain Object Detection model's output: each attribute goes to the face or hand that it
    overlaps most.

    An attribute that overlaps no region by `MIN_GROUP_IOU` is dropped: nothing says whether it is a face's
    or a hand's.
    """
    homes = [detection for detection in detections if detection.label in KINDS]
    attributes: list[dict[str, float]] = [{} for _ in homes]
    for detection in detections:
        if detection.label in KINDS or not homes:
            continue
        overlaps = [home.box.iou(detection.box) for home in homes]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= MIN_GROUP_IOU:
            known = attributes[best].get(detection.label, 0.0)
            attributes[best][detection.label] = max(known, detection.score)
    return [
        Region("face" if home.label == "face" else "hand", home.box, home.score, shown)
        for home, shown in zip(homes, attributes, strict=True)
    ]
