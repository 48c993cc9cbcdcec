"""The faces of photographs as the detector finds them, with their crops, their labels and the hands around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtNetworks
from gifcue.detect.metadata import CropStage, Metadata, read_metadata
from gifcue.detect.regions import Region, confidence_of_size
from gifcue.detect.staged import StagedDetector
from gifcue.detect.trust import UNCHECKED
from gifcue.media.files import scale_to_fit
from gifcue.media.settings import MediaSettings
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.export.thresholds import MATCH_IOU
from gifcue_lab.training.samples import Image, Photo, read_image


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face that the detector found in a photograph.

    Attributes:
        photo: the photograph.
        region: the face as it is served; without what the hands say, unless it was asked for.
        hands: the hands of the photograph.
        width, height: of the frame in pixels.
        truth: the label of the face that it hits, `NONE` or `UNKNOWN`; None where it hits none.
        crops: uint8 [2, S, S, 3], what the face network sees, and its mirror image.
    """

    photo: Photo
    region: Region
    hands: tuple[Region, ...]
    width: int
    height: int
    truth: str | None
    crops: Image

    def confidence(self, smallest_px: float) -> float:
        """The size confidence of the face, 0..1."""
        box = self.region.box
        return confidence_of_size(max(box.width * self.width, box.height * self.height), smallest_px)


def found_faces(model_dir: Path, photos: Sequence[Photo], *, corrected: bool = False) -> Iterator[FoundFace]:
    """Runs a model over photographs, which are scaled as decode workers do.

    Args:
        model_dir: the model folder.
        photos: the photographs.
        corrected: whether the regions have the labels as they are served, with what the hands say.

    Raises:
        ConfigError: a photograph cannot be decoded.
        ModelError: the model cannot be read.
    """
    metadata = read_metadata(model_dir, "litert", "int8", sha256=UNCHECKED)
    if not corrected:
        metadata = without_relation(metadata)
    config = DetectorConfig(model_dir, model_sha256=UNCHECKED)
    detector = StagedDetector(config, metadata, LiteRtNetworks(metadata, config.threads))
    media, stage = MediaSettings(), metadata.stages["face"]
    for photo in photos:
        small = scale_to_fit(read_image(photo.path), media.long_side, media.short_side)
        yield from _faces(detector, stage, photo, processing.shrink(small, metadata.longest_px))


def without_relation(metadata: Metadata) -> Metadata:
    """The metadata of the same model, where hands say nothing of a face."""
    face = replace(metadata.stages["face"], relation=None)
    return replace(metadata, stages={**metadata.stages, "face": face})


def _faces(detector: StagedDetector, stage: CropStage, photo: Photo, frame: Image) -> Iterator[FoundFace]:
    height, width = frame.shape[:2]
    raw = detector.raw_regions(frame)
    regions = detector.regions(raw, width, height)
    hands = tuple(region for region in regions if region.kind == "hand")
    labelled = photo.of_kind("face")
    boxes = [sample.box / np.tile([photo.width, photo.height], 2) for sample in labelled]
    free = np.ones(len(labelled), bool)
    for region in regions:
        if region.kind != "face":
            continue
        box = region.box
        overlaps = iou_matrix(boxes, np.array([box.xmin, box.ymin, box.xmax, box.ymax]))[:, 0]
        candidates = np.where(free, overlaps, 0.0)
        truth = None
        if candidates.max(initial=0.0) >= MATCH_IOU:
            best = int(candidates.argmax())
            free[best], truth = False, labelled[best].attribute
        source = next(each for each in raw if each.kind == "face" and each.is_of(region, width, height))
        crop = processing.crop(frame, source.box, stage.margin, stage.size)
        yield FoundFace(photo, region, hands, width, height, truth, np.stack([crop, crop[:, ::-1]]))
