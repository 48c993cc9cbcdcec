"""Labelled photographs, as training reads them: boxes, what they show, and a teacher's landmarks.

A folder `DIR/SPLIT` holds `GROUP/NAME.jpg` beside `GROUP/NAME.xml` (LabelImg's Pascal VOC) and
`landmarks.npz`. A second object with the same box as a face or hand names its attribute; `difficult` 1 on
the face or hand means that the attribute is not known, `difficult` 0 without such a second box that it shows
none.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.errors import ConfigError

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

UNKNOWN = "?"
NONE = ""
# Two boxes are the same object drawn twice when their corners differ by no more than this, in pixels.
SAME_BOX_PX = 3.0
# A teacher's hand or face belongs to the labelled box that it overlaps most, at least this much.
MIN_LANDMARK_IOU = 0.3
# Tight crops of grey faces: their scale says nothing about faces in a meeting.
TIGHT_CROP_SIZE = (350, 350)


@dataclass(slots=True)
class Sample:
    """One face or hand. `box` is (xmin, ymin, xmax, ymax) in pixels; `attribute` a label, `NONE` or
    `UNKNOWN`.

    `landmarks` is float32 [N, 2 or 3] in pixels of the photograph, or None where the teacher found none.
    `denies` is a label that it is known not to show, where the attribute is unknown.
    """

    kind: str
    box: Floats
    attribute: str
    landmarks: Floats | None = None
    mirrored_left: bool = False
    denies: str = ""


@dataclass(slots=True)
class Photo:
    """One photograph. `group` is its source: a person with a camera, mostly."""

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


def read_photos(
    data_dir: Path, split: str, *, groups: Iterable[str] | None = None, without: Iterable[str] = ()
) -> list[Photo]:
    """Reads a split's labels, in the order of their names, without decoding a picture.

    `groups` keeps only these, `without` leaves these out.

    Raises:
        ConfigError: there is no such split, or no photograph in it.
    """
    root = data_dir / split
    keep, drop = None if groups is None else set(groups), set(without)
    photos = []
    for path in sorted(root.glob("*/*.xml")):
        group = path.parent.name
        if group in drop or (keep is not None and group not in keep):
            continue
        photos.append(_read_photo(path, group))
    if not photos:
        raise ConfigError(f"data_dir: expected photographs with labels in {root}, got none")
    landmarks = root / "landmarks.npz"
    if landmarks.exists():
        _attach_landmarks(photos, landmarks)
    return photos


def decode(photos: Sequence[Photo], threads: int = 2) -> list[Image]:
    """Decodes every photograph to uint8 RGB [H, W, 3].

    All are held in memory (11,000 of 384 pixels are 3.5 GB): a warp from the picture costs less than reading
    a cached crop, and every augmentation then sees real pixels around the box.
    """
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda photo: read_image(photo.path), photos, chunksize=64))


def read_image(path: Path) -> Image:
    """One picture as uint8 RGB. Raises ConfigError where it cannot be decoded."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(f"{path}: expected a picture, got something that cannot be decoded")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _read_photo(path: Path, group: str) -> Photo:
    root = ElementTree.parse(path).getroot()
    size = root.find("size")
    if size is None:
        raise ConfigError(f"{path}: expected a size, got none")
    width, height = int(size.findtext("width", "0")), int(size.findtext("height", "0"))
    picture = path.with_name(root.findtext("filename") or path.with_suffix(".jpg").name)
    if not picture.exists():
        picture = path.with_suffix(".jpg")
    photo = Photo(group, f"{group}/{path.stem}", picture, width, height)
    attributes: list[tuple[str, Floats]] = []
    for item in root.iter("object"):
        name = item.findtext("name", "")
        corners = item.find("bndbox")
        if corners is None:
            continue
        box = np.array(
            [float(corners.findtext(key, "0")) for key in ("xmin", "ymin", "xmax", "ymax")], np.float32
        )
        if name in ("face", "hand"):
            unknown = item.findtext("difficult", "0") == "1"
            photo.samples.append(Sample(name, box, UNKNOWN if unknown else NONE))
        else:
            attributes.append((name, box))
    for name, box in attributes:
        for sample in photo.samples:
            if np.abs(sample.box - box).max() <= SAME_BOX_PX:
                sample.attribute = name
    return photo


def _attach_landmarks(photos: Sequence[Photo], path: Path) -> None:
    by_name = {photo.name: photo for photo in photos}
    with np.load(path) as arrays:
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
                overlaps = [_iou(sample.box, extent) for sample in candidates]
                best = int(np.argmax(overlaps))
                if overlaps[best] >= MIN_LANDMARK_IOU:
                    candidates[best].landmarks = found
                    candidates[best].mirrored_left = bool(left)


def _iou(one: Floats, other: Floats) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if sides.min() <= 0:
        return 0.0
    shared = float(sides.prod())
    return shared / (float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared)
