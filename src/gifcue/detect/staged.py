"""The detector of three networks, wherever they run: one finds faces and hands, two look at the crop of each.

Between the networks lie numpy and OpenCV. All frames of a batch go through a stage together, so that what runs the
networks gets as many pictures at once as there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.metadata import Metadata
from gifcue.detect.regions import KINDS, Kind, Region
from gifcue.detect.served_gestures import add_gestures
from gifcue.protocol.geometry import Box

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Outputs = dict[str, Floats]

# Peaks that enter suppression, for each region that may be left.
PEAKS_A_REGION = 4


class Networks(Protocol):
    """What runs the networks `detector`, `face` and `hand`. Called from one thread."""

    def run(self, inputs: Mapping[str, Images]) -> dict[str, Outputs]:
        """Takes pictures [N, H, W, 3], N at least 1, by network. Returns each network's outputs [N, ...] by name."""

    def warm(self) -> None:
        """Runs every network once."""

    def close(self) -> None:
        """Releases the networks. May be called more than once."""


@dataclass(frozen=True, slots=True)
class RawRegion:
    """A face or hand as the networks return it, before calibration. Boxes are [4] (xmin, ymin, xmax, ymax) in pixels.

    Attributes:
        kind: face or hand.
        box: box of the detector network, around which the crop was taken.
        refined_box: box refined by the landmarks.
        detector_score: score of the detector network, 0..1.
        landmarks: [N, 2 or 3] in shares of the crop.
        presence_logit: logit of the crop network that this is a face or hand.
        landmark_logits: logits [classes] from the landmarks alone; class 0 means that no label applies.
        appearance_logits: logits [classes] from the appearance of the crop.
    """

    kind: Kind
    box: Floats
    refined_box: Floats
    detector_score: float
    landmarks: Floats
    presence_logit: float
    landmark_logits: Floats
    appearance_logits: Floats

    def is_of(self, region: Region, width: int, height: int) -> bool:
        """Whether a region of a frame of `width x height` pixels was made of this one."""
        return region.kind == self.kind and region.box == to_box(self.refined_box, width, height)


@dataclass(frozen=True, slots=True)
class _Found:
    """A box of the detector network: in which frame of the batch, what it holds, [4] in frame pixels, its score."""

    place: int
    kind: Kind
    box: Floats
    score: float


class StagedDetector:
    """A `Detector` of the model that the metadata describes. It owns the networks."""

    def __init__(self, config: DetectorConfig, metadata: Metadata, networks: Networks) -> None:
        self._config = config
        self._metadata = metadata
        self._networks = networks
        self._score_floor = max(metadata.score_floor, config.score_floor or 0.0)
        self._relation = metadata.stages["face"].relation
        self._classifiers: tuple[GestureClassifier, ...] = ()
        self._info = replace(metadata.info, smallest_hand_px=metadata.stages["hand"].smallest_px)

    @property
    def info(self) -> ServedModel:
        return self._info

    def warm(self) -> None:
        self._networks.warm()

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        self._classifiers = tuple(classifiers)

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        if not frames:
            return []
        small = [processing.shrink(frame, self._metadata.longest_px) for frame in frames]
        return [
            self.regions(raw, frame.shape[1], frame.shape[0])
            for frame, raw in zip(small, self._raw_regions(small), strict=True)
        ]

    def close(self) -> None:
        self._networks.close()

    def raw_regions(self, frame: Frame) -> list[RawRegion]:
        """The outputs of the networks for one frame, before calibration.

        Args:
            frame: RGB, uint8 [H, W, 3], neither side longer than the metadata's `longest_px`.

        Returns:
            Faces, then hands, best detector score first.
        """
        return self._raw_regions([frame])[0]

    def _raw_regions(self, frames: Sequence[Frame]) -> list[list[RawRegion]]:
        found = self._find(frames)
        by_kind = {kind: [each for each in found if each.kind == kind] for kind in KINDS}
        crops: dict[str, Images] = {
            kind: np.stack([self._crop(frames[each.place], each) for each in those])
            for kind, those in by_kind.items()
            if those
        }
        outputs = self._networks.run(crops) if crops else {}
        raw: list[list[RawRegion]] = [[] for _ in frames]
        for kind, those in by_kind.items():
            for row, each in enumerate(those):
                raw[each.place].append(self._raw_region(each, outputs[kind], row))
        return raw

    def _find(self, frames: Sequence[Frame]) -> list[_Found]:
        """What the detector network finds: frame by frame, faces before hands, best score first."""
        width, height = self._metadata.info.input_width, self._metadata.info.input_height
        fits = [processing.Letterbox.fit(frame.shape[1], frame.shape[0], width, height) for frame in frames]
        scenes = np.stack(
            [processing.letterbox(frame, fit, width, height) for frame, fit in zip(frames, fits, strict=True)]
        )
        maps = self._networks.run({"detector": scenes})["detector"]
        return [
            each
            for place, fit in enumerate(fits)
            for each in self._boxes(place, fit, {name: values[place] for name, values in maps.items()})
        ]

    def _boxes(self, place: int, fit: processing.Letterbox, maps: Outputs) -> list[_Found]:
        if "heat" in maps:
            maps = processing.activate(maps["heat"], maps["reach"], self._score_floor)
        found: list[_Found] = []
        for channel, kind in enumerate(KINDS):
            limit = self._config.max_faces if kind == "face" else self._config.max_hands
            scores, boxes = processing.peaks(
                maps["scores"][..., channel],
                maps["sides"][..., channel * 4 : channel * 4 + 4],
                self._score_floor,
                PEAKS_A_REGION * limit,
            )
            for number in processing.suppress(boxes, self._metadata.nms_iou, limit):
                box = fit.to_frame(boxes[number : number + 1])[0]
                found.append(_Found(place, kind, box, float(scores[number])))
        return found

    def _crop(self, frame: Frame, found: _Found) -> Images:
        """The square around a box, as its crop network takes it."""
        stage = self._metadata.stages[found.kind]
        return processing.crop(frame, found.box, stage.margin, stage.size)

    def _raw_region(self, found: _Found, outputs: Outputs, row: int) -> RawRegion:
        stage = self._metadata.stages[found.kind]
        landmarks = outputs["landmarks"][row]
        points = processing.from_crop(landmarks, found.box, stage.margin, 1, 1)
        return RawRegion(
            kind=found.kind,
            box=found.box,
            refined_box=processing.refine(found.box, points, stage.refinement.weight, stage.refinement.scale),
            detector_score=found.score,
            landmarks=landmarks,
            presence_logit=float(outputs["presence"][row, 0]),
            landmark_logits=outputs["by_shape"][row],
            appearance_logits=outputs["by_sight"][row],
        )

    def regions(self, everything: Sequence[RawRegion], width: int, height: int) -> list[Region]:
        """The calibrated regions of a frame of `width x height` pixels, best score first, from `raw_regions`."""
        regions: list[Region] = []
        for kind in KINDS:
            rescoring = self._metadata.stages[kind].rescoring
            scored = [
                (rescoring.score(raw.detector_score, raw.presence_logit), raw)
                for raw in everything
                if raw.kind == kind
            ]
            scored.sort(key=lambda pair: -pair[0])
            if not scored:
                continue
            # A second suppression: the refined boxes of one hand overlap even where the detector's boxes do not.
            refined = np.stack([raw.refined_box for _, raw in scored])
            for number in processing.suppress(refined, self._metadata.nms_iou, len(scored)):
                regions.append(self._region(*scored[number], width, height))
        if self._relation is not None:
            regions = self._relation.apply(regions, width, height)
        return sorted(regions, key=lambda region: -region.score)

    def _region(self, score: float, raw: RawRegion, width: int, height: int) -> Region:
        """The calibrated region, in a frame of `width x height` pixels."""
        stage = self._metadata.stages[raw.kind]
        probabilities = stage.calibration.probabilities(
            raw.landmark_logits[None], raw.appearance_logits[None]
        )[0]
        landmarks = processing.from_crop(raw.landmarks, raw.box, stage.margin, width, height)
        attributes = {label: float(p) for label, p in zip(stage.labels, probabilities[1:], strict=True)}
        if raw.kind == "hand":
            attributes = add_gestures(attributes, self._classifiers, landmarks, width / height)
        confidence = processing.size_confidence(raw.refined_box, stage.smallest_px)
        attributes = {label: probability * confidence for label, probability in attributes.items()}
        return Region(raw.kind, to_box(raw.refined_box, width, height), score, attributes, landmarks)


def to_box(box: Floats, width: int, height: int) -> Box:
    """A box in shares of a frame of `width x height` pixels, clipped to it.

    `box` is [4] (xmin, ymin, xmax, ymax) in pixels of the frame.
    """
    xmin, ymin, xmax, ymax = (float(value) for value in box)
    return Box(
        min(max(ymin / height, 0.0), 1.0),
        min(max(xmin / width, 0.0), 1.0),
        min(max(ymax / height, 0.0), 1.0),
        min(max(xmax / width, 0.0), 1.0),
    )
