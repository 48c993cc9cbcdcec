"""The labelled hands of a data set, with the landmarks that a model finds for them, in one file.

To find them takes minutes. The file is small, and training and evaluation read it. It holds landmarks of people's
hands, and is as private as the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import Detector
from gifcue.detect.gesture_classifier import POINTS, hand_features
from gifcue.detect.regions import DEFAULT_THRESHOLD, Region
from gifcue.gestures.samples import HandSample
from gifcue.media.files import read_rgb, scale_to_fit
from gifcue.media.settings import MediaSettings
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.truth import TruthPicture, read_truth
from gifcue_lab.gestures.labels import NONE, UNKNOWN, Labels, label_of
from gifcue_lab.training.label_overrides import photo_key

# A hand that was found is a labelled one from this intersection over union on.
MIN_IOU = 0.4

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Hands:
    """N labelled hands.

    Attributes:
        pictures: the path of each hand's picture below the data set's directory.
        keys: the name of that picture in a file of labels.
        groups: the group of each hand; the hands of one person share it.
        boxes: float32 [N, 4] of ymin, xmin, ymax, xmax in shares of the picture.
        shows: what the data set says: a gesture of the model, "none" or "unknown".
        landmarks: float32 [N, 21, 3] as in `Region`; not a number where the model has not found the hand.
        aspects: float32 [N], width of the analysed picture divided by its height.
    """

    pictures: npt.NDArray[np.str_]
    keys: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    boxes: Floats
    shows: npt.NDArray[np.str_]
    landmarks: Floats
    aspects: Floats

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def is_found(self) -> npt.NDArray[np.bool_]:
        """[N]: whether the model has found the hand."""
        return np.asarray(np.isfinite(self.landmarks).all(axis=(1, 2)))

    def only(self, chosen: npt.NDArray[np.bool_]) -> Hands:
        """The hands that are True in [N]."""
        return Hands(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def labelled(self, labels: Labels) -> npt.NDArray[np.str_]:
        """[N]: what each hand shows, by the labels and, where they have none for it, by the data set."""
        named = [
            label_of(Box(*(float(edge) for edge in box)), labels.get(str(key), ()))
            for box, key in zip(self.boxes, self.keys, strict=True)
        ]
        return np.array([name or said for name, said in zip(named, self.shows, strict=True)])

    def features(self) -> Floats:
        """The features [N, F] for a gesture classifier, of hands that were found."""
        pairs = zip(self.landmarks, self.aspects, strict=True)
        rows = [hand_features(points, float(aspect)) for points, aspect in pairs]
        return np.stack(rows) if rows else np.zeros((0, 0), np.float32)

    def samples(self) -> list[HandSample]:
        """The hands that were found as samples."""
        rows = zip(self.landmarks, self.aspects, self.pictures, strict=True)
        return [HandSample(points, float(aspect), str(name)) for points, aspect, name in rows]

    def write(self, path: Path) -> None:
        """Writes the hands in NumPy's format."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})


def read_hands(path: Path) -> Hands:
    """Reads a file of hands. Raises DatasetError where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            hands = Hands(*(arrays[name] for name in Hands.__dataclass_fields__))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise DatasetError(
            f"{path}: expected hands, as `gifcue-lab gestures find` writes, got {error!r}"
        ) from error
    if hands.landmarks.shape[1:] != (POINTS, 3):
        raise DatasetError(f"{path}: expected landmarks [N, {POINTS}, 3], got {hands.landmarks.shape}")
    return hands


def join_hands(parts: Sequence[Hands]) -> Hands:
    """The hands of several files as one."""
    names = Hands.__dataclass_fields__
    return Hands(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def find_hands(detector: Detector, root: Path, split: str, track: Track = quiet) -> Hands:
    """Finds the labelled hands of `root`/`split` with a model.

    Raises:
        DatasetError: there are no labelled pictures with hands, or labels cannot be read.
        UnreadableMedia: a picture cannot be read.
    """
    rows = [
        row
        for picture in track(read_truth(root, split, track), "looking at hands")
        for row in _hands_of(detector, picture, split)
    ]
    if not rows:
        raise DatasetError(f"{root / split}: expected pictures with boxes of hands, got none")
    pictures, keys, groups, boxes, shows, landmarks, aspects = zip(*rows, strict=True)
    return Hands(
        np.array(pictures),
        np.array(keys),
        np.array(groups),
        np.array(boxes, np.float32),
        np.array(shows),
        np.array(landmarks, np.float32),
        np.array(aspects, np.float32),
    )


def _hands_of(detector: Detector, picture: TruthPicture, split: str) -> Iterator[tuple[object, ...]]:
    """A row of `Hands` for each labelled hand of a picture."""
    labelled = [region for region in picture.regions if region.kind == "hand"]
    if not labelled:
        return
    settings = MediaSettings()
    frame = scale_to_fit(read_rgb(picture.path), settings.long_side, settings.short_side)
    threshold = detector.info.thresholds.get("hand", DEFAULT_THRESHOLD)
    found = [
        region
        for region in detector.detect([frame])[0]
        if region.kind == "hand" and region.score >= threshold and region.landmarks is not None
    ]
    key = photo_key(picture.path)
    for hand in labelled:
        match = _best(hand.box, found)
        box = match.box if match is not None else hand.box
        yield (
            f"{split}/{picture.name}",
            key,
            picture.group,
            (box.ymin, box.xmin, box.ymax, box.xmax),
            (hand.attribute or NONE) if hand.attribute_known else UNKNOWN,
            np.full((POINTS, 3), np.nan) if match is None else match.landmarks,
            frame.shape[1] / frame.shape[0],
        )


def _best(box: Box, found: Sequence[Region]) -> Region | None:
    best = max(found, key=lambda region: region.box.iou(box), default=None)
    return best if best is not None and best.box.iou(box) >= MIN_IOU else None
