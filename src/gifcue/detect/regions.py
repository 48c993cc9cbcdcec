"""What a detector finds in a frame.

Coordinates are shares of the frame, 0..1, y first as in TensorFlow's Object Detection API. A `Region` is one face or
hand with its attributes. `Detection`s are the flat form of regions: a label, a score and a box, one for the region and
one for each attribute that reaches its threshold.
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
# The threshold of labels for which a model has none.
DEFAULT_THRESHOLD = 0.5
# An attribute belongs to the region that its box overlaps most, from this intersection over union on.
MIN_GROUP_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One face or hand.

    Attributes:
        kind: face or hand.
        box: where it is.
        score: probability, 0..1, that it is a face or hand.
        attributes: calibrated probability, 0..1, of each label that it can show (smile, wave, ...). Labels that the
            model did not evaluate are absent.
        landmarks: float32 [N, 2] (x, y) or [N, 3] (x, y, z) in shares of the frame, or None. x and z are divided by the
            frame's width, y by its height.
        landmark_center: the mean (x, y) of landmarks that are not here, because nobody asked the worker for them.
    """

    kind: Kind
    box: Box
    score: float
    attributes: Mapping[str, float] = field(default_factory=dict)
    landmarks: Landmarks | None = None
    landmark_center: tuple[float, float] | None = None

    def center_of_landmarks(self) -> tuple[float, float] | None:
        """The mean (x, y) of the landmarks; None where the model gives none."""
        if self.landmark_center is not None or self.landmarks is None or not len(self.landmarks):
            return self.landmark_center
        middle = self.landmarks[:, :2].mean(axis=0)
        return float(middle[0]), float(middle[1])


@dataclass(frozen=True, slots=True)
class Detection:
    """A label, its score 0..1, and its box."""

    label: str
    score: float
    box: Box


def confidence_of_size(longer_px: float, smallest_px: float) -> float:
    """The factor, 0..1, for what a region of this size shows, by the longer side of its box in pixels.

    It is 0 up to `smallest_px`, and 1 from 4/3 of it on. It is linear in between, so that a label does not switch on
    and off when the size of a box varies between frames.
    """
    if smallest_px <= 0:
        return 1.0
    return min(1.0, max(0.0, 3.0 * (longer_px / smallest_px - 1.0)))


def flatten(regions: Iterable[Region], thresholds: Mapping[str, float]) -> list[Detection]:
    """The detections of regions: one for each region and each of its attributes that reach their thresholds.

    A region below its own threshold gives no detections, not even of its attributes. The detection of a region comes
    before those of its attributes, which come best score first. Labels without a threshold use `DEFAULT_THRESHOLD`.
    """
    detections: list[Detection] = []
    for region in regions:
        if region.score < thresholds.get(region.kind, DEFAULT_THRESHOLD):
            continue
        detections.append(Detection(region.kind, region.score, region.box))
        attributes = [
            Detection(label, score, region.box)
            for label, score in region.attributes.items()
            if score >= thresholds.get(label, DEFAULT_THRESHOLD)
        ]
        detections.extend(sorted(attributes, key=lambda detection: -detection.score))
    return detections


def group(detections: Sequence[Detection]) -> list[Region]:
    """The regions of the detections of a plain Object Detection model.

    Each attribute is assigned to the region that it overlaps most. An attribute that overlaps no region by
    `MIN_GROUP_IOU` is dropped, because it may belong to a face or a hand.
    """
    bases = [detection for detection in detections if detection.label in KINDS]
    attributes: list[dict[str, float]] = [{} for _ in bases]
    for detection in detections:
        if detection.label in KINDS or not bases:
            continue
        overlaps = [base.box.iou(detection.box) for base in bases]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= MIN_GROUP_IOU:
            known = attributes[best].get(detection.label, 0.0)
            attributes[best][detection.label] = max(known, detection.score)
    return [
        Region("face" if base.label == "face" else "hand", base.box, base.score, probabilities)
        for base, probabilities in zip(bases, attributes, strict=True)
    ]
