"""Measures what may make a face or a hand harder to recognise: light, distance, skin tone, a hand at the face.

Figures are reported for each *band* of a property (`by_property`). A property of the data that cannot be measured in
the picture, such as glasses, comes from a file of tags.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.media.settings import MediaSettings
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import decode_rgb
from gifcue_lab.datasets.regions import FACE, HAND
from gifcue_lab.evaluation.landmarks import Teacher
from gifcue_lab.evaluation.overlap import OVERLAP, overlaps_face, share_over
from gifcue_lab.evaluation.truth import TruthPicture, box_array

Rgb = npt.NDArray[np.uint8]
UNKNOWN = "unknown"
# Points of MediaPipe's face mesh in the middle of the cheeks.
CHEEKS = (50, 280)
# Radius of the patch on a cheek, in heights of the face.
_CHEEK_RADIUS = 0.06
# Lab chroma below this is grey: the picture has no colours, or the cheek is over- or underexposed.
_LEAST_CHROMA = 5.0


@dataclass(frozen=True)
class Scene:
    """What a property is measured in: one picture, decoded, with the teacher's faces (in pixels) if there are any."""

    picture: TruthPicture
    rgb: Rgb
    faces: Sequence[npt.NDArray[np.float64]] = ()
    cheeks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Property:
    """A property of a face or a hand.

    Attributes:
        name: as on the command line.
        about: what is measured, and its unit.
        edges: the bounds between bands, ascending.
        bands: the names of the bands, one more than edges; without edges, of the values themselves.
        measure: the value for a box of a kind in a scene: a number, the name of a band, or None if it is unknown.
    """

    name: str
    about: str
    bands: tuple[str, ...]
    measure: Callable[[Scene, str, Box], float | str | None]
    edges: tuple[float, ...] = ()

    def band(self, value: float | str | None) -> str:
        """The band of a value; a number at an edge belongs to the band above."""
        if value is None:
            return UNKNOWN
        if isinstance(value, str):
            return value
        return self.bands[int(np.searchsorted(self.edges, value, side="right"))]


def _light(scene: Scene, kind: str, box: Box) -> float | None:
    """The mean luma of the inner half of the box, 0..255."""
    height, width = scene.rgb.shape[:2]
    y, x = box.center
    top, bottom = (round((y + side * box.height / 4) * height) for side in (-1, 1))
    left, right = (round((x + side * box.width / 4) * width) for side in (-1, 1))
    inside = scene.rgb[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    return float(inside.mean(axis=(0, 1)) @ (0.299, 0.587, 0.114)) if inside.size else None


def _distance(scene: Scene, kind: str, box: Box) -> float:
    """The larger side of the box in pixels of the frame that the detector gets."""
    media = MediaSettings()
    height, width = scene.picture.height, scene.picture.width
    scale = min(1.0, media.long_side / max(height, width), media.short_side / min(height, width))
    return max(box.height * height, box.width * width) * scale


def _hand_at_face(scene: Scene, kind: str, box: Box) -> str:
    if kind == HAND:
        return "yes" if overlaps_face(scene.picture, box) else "no"
    hands = box_array([region.box for region in scene.picture.regions if region.kind == HAND])
    return "yes" if bool((share_over(box_array([box])[0], hands) >= OVERLAP).any()) else "no"


def _skin(scene: Scene, kind: str, box: Box) -> float | None:
    """The individual typology angle of the cheeks, in degrees; a hand has that of the only face of the picture."""
    if kind != FACE:
        faces = [region.box for region in scene.picture.regions if region.kind == FACE]
        if len(faces) != 1:
            return None
        box = faces[0]
    radius = _CHEEK_RADIUS * box.height * scene.rgb.shape[0]
    for points in scene.faces:
        y, x = points.mean(axis=0)[::-1] / (scene.picture.height, scene.picture.width)
        if box.ymin <= y <= box.ymax and box.xmin <= x <= box.xmax and scene.cheeks:
            return typology_angle(scene.rgb, points[list(scene.cheeks)], radius)
    return None


def typology_angle(rgb: Rgb, centres: npt.NDArray[np.float64], radius_px: float) -> float | None:
    """The individual typology angle (ITA) of the median colour of some discs, in degrees: the greater, the lighter.

    None if the discs have less than ten pixels, or the colour is grey or blue, which skin is not.
    """
    pixels = np.concatenate([_disc(rgb, x, y, radius_px) for x, y in centres])
    if len(pixels) < 10:
        return None
    lab = cv2.cvtColor(pixels[None].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]
    lightness, red, yellow = (float(each) for each in np.median(lab, axis=0))
    if yellow <= 0 or np.hypot(red, yellow) < _LEAST_CHROMA:
        return None
    return float(np.degrees(np.arctan2(lightness - 50.0, yellow)))


def _disc(rgb: Rgb, x: float, y: float, radius: float) -> Rgb:
    """The pixels of a disc, uint8 [N, 3]; those outside of the picture are left out."""
    top, left = max(int(y - radius), 0), max(int(x - radius), 0)
    square = rgb[top : max(int(y + radius) + 2, top), left : max(int(x + radius) + 2, left)]
    rows, columns = np.mgrid[top : top + square.shape[0], left : left + square.shape[1]]
    return np.asarray(square[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2])


LIGHT = Property(
    "light",
    "mean luma of the inner half of the face's or hand's box, 0 to 255",
    ("below 60", "60 to 90", "90 to 150", "150 or more"),
    _light,
    (60.0, 90.0, 150.0),
)
MEASURED: Mapping[str, Property] = {
    each.name: each
    for each in (
        LIGHT,
        Property(
            "distance",
            "larger side of the face's or hand's box, in pixels of a frame of 360 lines",
            ("below 40", "40 to 70", "70 to 130", "130 or more"),
            _distance,
            (40.0, 70.0, 130.0),
        ),
        Property(
            "hand_at_face",
            "whether a tenth of the face lies under a hand, or of the hand over a face",
            ("no", "yes"),
            _hand_at_face,
        ),
        Property(
            "skin",
            "individual typology angle of the cheeks, in degrees; a hand has that of the picture's only face",
            ("below -30", "-30 to 10", "10 to 41", "41 or more"),
            _skin,
            (-30.0, 10.0, 41.0),
        ),
    )
}


@dataclass(frozen=True)
class Tags:
    """Tags of pictures from a file.

    Attributes:
        values: by property and by picture (`group/file` without suffix) or group, the tag.
    """

    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def property(self, name: str) -> Property:
        """The property of this name. A tag of a picture goes before that of its group."""
        known = self.values[name]

        def measure(scene: Scene, kind: str, box: Box) -> str | None:
            picture = scene.picture
            return known.get(_stem(picture.name), known.get(picture.group))

        return Property(name, "from the file of tags", tuple(sorted(set(known.values()))), measure)


def read_tags(path: Path) -> Tags:
    """Reads a CSV file: a header `name,PROPERTY,…`, then for each picture (`group/file`) or group a tag of each.

    An empty cell is unknown. Raises `DatasetError` if the file is missing or of another form.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: expected a CSV file of tags, got {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if len(header) < 2 or header[0] != "name" or not all(header) or len(set(header)) < len(header):
        raise DatasetError(
            f"{path}: expected a first line name,PROPERTY,… with different names, got {','.join(header)!r}"
        )
    reserved = set(header) & set(MEASURED)
    if reserved:
        raise DatasetError(f"{path}: {min(reserved)} is measured: expected another name")
    values: dict[str, dict[str, str]] = {name: {} for name in header[1:]}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise DatasetError(f"{path}:{number}: expected {len(header)} cells, got {len(row)}")
        name = row[0].strip()
        if "/" in name:
            name = _stem(name)
        for column, cell in zip(header[1:], row[1:], strict=True):
            if cell.strip():
                values[column][name] = cell.strip()
    return Tags(values)


def choose(names: Sequence[str], tags: Tags) -> tuple[Property, ...]:
    """The properties of these names. Raises `DatasetError` for one that is not known."""
    known = (*MEASURED, *tags.values)
    for name in names:
        if name not in known:
            raise DatasetError(f"expected properties among {', '.join(known)}, got {name!r}")
    return tuple(MEASURED[name] if name in MEASURED else tags.property(name) for name in names)


def check_measurable(
    properties: Sequence[Property], tags: Tags, truth: Sequence[TruthPicture], teacher: Teacher | None
) -> None:
    """Raises `DatasetError` if a property cannot be measured in any of these pictures."""
    if any(each.measure is _skin for each in properties) and not _cheeks(teacher):
        raise DatasetError(
            "skin: expected a landmarks.npz with the points of cheeks beside the groups, got none "
            "(`gifcue-lab dataset landmarks` writes it)"
        )
    names = {picture.group for picture in truth} | {_stem(picture.name) for picture in truth}
    for each in properties:
        tagged = tags.values.get(each.name)
        if tagged is not None and not names & set(tagged):
            example = min(tagged, default="none")
            raise DatasetError(
                f"{each.name}: expected tags of the evaluated pictures or groups, got {example!r}"
            )


def scene_of(picture: TruthPicture, teacher: Teacher | None) -> Scene:
    """Reads a picture. Raises `DatasetError` if it cannot be decoded."""
    rgb = decode_rgb(picture.path.read_bytes(), picture.name)
    if teacher is None:
        return Scene(picture, rgb)
    return Scene(picture, rgb, teacher.points["face"].get(_stem(picture.name), ()), _cheeks(teacher))


def _cheeks(teacher: Teacher | None) -> tuple[int, ...]:
    """The places of the points of cheeks among the teacher's points; empty if it does not have both."""
    known = list(teacher.face_points) if teacher else []
    return tuple(known.index(point) for point in CHEEKS) if set(CHEEKS) <= set(known) else ()


def _stem(name: str) -> str:
    """`group/file` without the suffix of the file."""
    return PurePosixPath(name).with_suffix("").as_posix()
