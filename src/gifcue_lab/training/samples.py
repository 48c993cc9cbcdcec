"""Labelled photographs as training reads them: boxes, labels and landmarks.

A folder `DIR/SPLIT` holds `GROUP/NAME.jpg` beside `GROUP/NAME.xml` (LabelImg's Pascal VOC), and `landmarks.npz` with
the landmarks that MediaPipe's models found. `gifcue_lab.datasets.regions` says which objects are one face or hand and
what it shows, for training as for evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.errors import ConfigError
from gifcue_lab.datasets.annotation import Annotation
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.regions import pair_up, with_own_labels
from gifcue_lab.datasets.voc import read_voc

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LANDMARKS = "landmarks.npz"
UNKNOWN = "?"
NONE = ""
# Landmarks belong to the labelled box that their extent overlaps most, with at least this IoU.
MIN_LANDMARK_IOU = 0.3
# Pictures of this size are tight crops of grey faces. Their scale differs from that of faces in a meeting.
TIGHT_CROP_SIZE = (350, 350)
# Pictures that a decoding thread takes at a time: few enough to spread the work, many enough to keep overhead low.
DECODE_CHUNK = 64
# Groups that an error names.
SHOWN_GROUPS = 5


@dataclass(slots=True)
class Sample:
    """One face or hand.

    Attributes:
        kind: `face` or `hand`.
        box: xmin, ymin, xmax, ymax [4] in pixels of the photograph.
        attribute: its label, `NONE` or `UNKNOWN`.
        landmarks: [N, 2 or 3] in pixels of the photograph, None where MediaPipe's models found none.
        mirrored_left: whether MediaPipe took a hand for a left one in a mirrored picture.
        absent: where the attribute is unknown, a label that the sample is known not to show.
    """

    kind: str
    box: Floats
    attribute: str
    landmarks: Floats | None = None
    mirrored_left: bool = False
    absent: str = ""


@dataclass(slots=True)
class Photo:
    """One photograph; `group` names its source, which usually is one person with one camera."""

    group: str
    name: str
    path: Path
    width: int
    height: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def is_tight_crop(self) -> bool:
        return (self.width, self.height) == TIGHT_CROP_SIZE

    def of_kind(self, kind: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.kind == kind]


def counted(photos: Sequence[Photo]) -> str:
    """How many photographs of how many groups these are, in words."""
    groups = len({photo.group for photo in photos})
    return f"{len(photos)} photograph{'s' * (len(photos) != 1)} of {groups} group{'s' * (groups != 1)}"


def read_photos(data_dir: Path, split: str, *, groups: Iterable[str] | None = None) -> list[Photo]:
    """Reads the labels of a split in the order of the files' names. No picture is decoded.

    Args:
        data_dir: the folder of the splits.
        split: `train` or `dev`.
        groups: the groups to read; None for all.

    Raises:
        ConfigError: there is no such split, or no photograph in it or in one of `groups`.
        DatasetError: a file of labels cannot be read.
    """
    root = data_dir / split
    keep = None if groups is None else set(groups)
    files = sorted(root.glob("*/*.xml"))
    annotations = {path: read_voc(path) for path in files if keep is None or path.parent.name in keep}
    attributes = with_own_labels(annotations.values())
    photos = [_photo(path, annotation, attributes) for path, annotation in annotations.items()]
    absent = sorted((keep or set()) - {path.parent.name for path in files})
    if files and absent:
        named = ", ".join(absent[:SHOWN_GROUPS]) + (" …" if len(absent) > SHOWN_GROUPS else "")
        raise ConfigError(
            f"heldout_groups: expected folders of {root} with labelled photographs, got {named}; a recipe holds for "
            "the data that it was written for, and `gifcue-lab recipe` writes one for yours"
        )
    if not photos:
        raise ConfigError(f"{root}: expected photographs with labels, got none")
    landmarks = root / LANDMARKS
    if landmarks.exists():
        _attach_landmarks(photos, landmarks)
    return photos


def decode(photos: Sequence[Photo], threads: int = 2) -> list[Image]:
    """Decodes every photograph to uint8 RGB [H, W, 3].

    All pictures are held in memory; 11,000 pictures with a long side of 384 pixels take 3.5 GB. Warping from a whole
    picture costs less than reading a cached crop, and augmentation then has real pixels around each box.
    """
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda photo: read_image(photo.path), photos, chunksize=DECODE_CHUNK))


def read_image(path: Path) -> Image:
    """Decodes one picture to uint8 RGB [H, W, 3], as stored: labels are drawn on the stored pixels.

    Raises:
        ConfigError: it cannot be decoded.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise ConfigError(f"{path}: expected a picture, got something that cannot be decoded")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _photo(path: Path, annotation: Annotation, attributes: Mapping[str, Sequence[str]]) -> Photo:
    picture = path.with_name(annotation.filename)
    if not picture.exists():
        picture = path.with_suffix(".jpg")
    group = path.parent.name
    photo = Photo(group, f"{group}/{path.stem}", picture, annotation.width, annotation.height)
    for region in pair_up(annotation, attributes):
        attribute = (region.attribute or NONE) if region.attribute_known else UNKNOWN
        photo.samples.append(Sample(region.kind, np.array(region.box, np.float32), attribute))
    return photo


def _attach_landmarks(photos: Sequence[Photo], path: Path) -> None:
    by_name = {photo.name: photo for photo in photos}
    with np.load(path, allow_pickle=False) as arrays:
        for kind, files, points in (
            ("hand", arrays["hand_file"], arrays["hand_xyz"]),
            ("face", arrays["face_file"], arrays["face_xy"]),
        ):
            lefts = arrays["hand_left"] if kind == "hand" else np.zeros(len(files), bool)
            for file, found, left in zip(files, points.astype(np.float32), lefts, strict=True):
                photo = by_name.get(str(file))
                if photo is None:
                    continue
                candidates = [sample for sample in photo.of_kind(kind) if sample.landmarks is None]
                if not candidates:
                    continue
                extent = np.concatenate([found[:, :2].min(0), found[:, :2].max(0)])
                overlaps = iou_matrix([sample.box for sample in candidates], extent)[:, 0]
                best = int(np.argmax(overlaps))
                if overlaps[best] >= MIN_LANDMARK_IOU:
                    candidates[best].landmarks = found
                    candidates[best].mirrored_left = bool(left)
