"""Pictures and their label files, found on disk or held in memory by a converter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.media import files
from gifcue_lab.datasets.annotation import Annotation, DatasetError
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.voc import read_voc

# The first bytes say what a picture is; its name may lie.
_MAGIC = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"BM", "bmp"), (b"GIF8", "gif"))

# Files of pictures that are not read, such as those of telephones. They are named, so that nobody misses them.
_UNREAD_SUFFIXES = (".avif", ".gif", ".heic", ".heif", ".jfif", ".tif", ".tiff")
# What is read, for messages.
FORMATS = ", ".join(files.PICTURE_SUFFIXES)


@dataclass(frozen=True)
class LabelledPicture:
    """One picture with its labels.

    `group` is its source: all pictures of one person share it. `source` is the file, or the encoded bytes
    where the picture came out of a record.
    """

    annotation: Annotation
    group: str
    source: Path | bytes

    @property
    def name(self) -> str:
        """`group/filename`, unique within a dataset."""
        return f"{self.group}/{self.annotation.filename}" if self.group else self.annotation.filename

    def encoded(self) -> bytes:
        """The picture's file as it is. Raises `DatasetError` when it cannot be read."""
        if isinstance(self.source, bytes):
            return self.source
        try:
            return self.source.read_bytes()
        except OSError as error:
            raise DatasetError(f"{self.source}: expected a picture, got {error}") from error


def picture_format(encoded: bytes) -> str:
    """What the first bytes say it is: jpeg, png, bmp, gif or webp; "" for anything else."""
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC if encoded.startswith(magic)), "")


def decode_rgb(encoded: bytes, name: str = "picture") -> npt.NDArray[np.uint8]:
    """Pixels as stored, uint8 RGB [height, width, 3]. Raises `DatasetError` when it is no picture.

    The EXIF orientation is not applied: boxes are drawn on the stored pixels.
    """
    try:
        return files.decode_rgb(encoded, name)
    except files.UnreadableMedia as error:
        raise DatasetError(str(error)) from error


def write_jpeg(path: Path, rgb: npt.NDArray[np.uint8], quality: int = 92) -> None:
    """Write uint8 RGB [height, width, 3]. Raises `DatasetError` when it cannot be encoded."""
    fine, encoded = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not fine:
        raise DatasetError(f"{path}: expected RGB of JPEG's sizes, got {rgb.shape}")
    path.write_bytes(encoded.tobytes())


def content_hash(encoded: bytes) -> str:
    """SHA-256 of the file, as hex."""
    return hashlib.sha256(encoded).hexdigest()


def find_pictures(root: Path) -> list[Path]:
    """All picture files under a directory, sorted. Raises `DatasetError` when there is no such directory."""
    if root.is_file():
        raise DatasetError(
            f"{root}: expected a directory with pictures, got a file; `gifcue-lab dataset explode` writes the "
            "frames of a recording"
        )
    try:
        return files.find_pictures(root)
    except files.UnreadableMedia as error:
        raise DatasetError(str(error)) from error


def unread_pictures(root: Path) -> list[Path]:
    """Files of pictures under a directory whose format `find_pictures` leaves out, sorted."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in _UNREAD_SUFFIXES)


def group_of(path: Path, root: Path) -> str:
    """A file's group: its directory, relative to the root, "" for the root itself."""
    relative = path.parent.relative_to(root).as_posix()
    return "" if relative == "." else relative


def read_folder(root: Path, track: Track = quiet) -> Iterator[LabelledPicture]:
    """All pictures under a directory that have an XML file beside them; the group is the directory.

    Raises `DatasetError` when there is no picture with labels, or one's labels cannot be read.
    """
    pictures = [(p, p.with_suffix(".xml")) for p in find_pictures(root)]
    labelled = [(picture, labels) for picture, labels in pictures if labels.is_file()]
    if not labelled:
        raise DatasetError(f"{root}: expected LabelImg XML beside the pictures, got {len(pictures)} without")
    for picture, labels in track(labelled, "reading labels"):
        annotation = read_voc(labels)
        named = Annotation(picture.name, annotation.width, annotation.height, annotation.objects)
        yield LabelledPicture(named, group_of(picture, root), picture)


def label_order(pictures: Iterable[LabelledPicture], first: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels that occur: those in `first` in that order, then the others sorted."""
    found = {o.label for picture in pictures for o in picture.annotation.objects}
    return (*(label for label in first if label in found), *sorted(found - set(first)))
