"""Finds what would spoil training or evaluation in a dataset, by file."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifcue_lab.datasets.annotation import Annotation, DatasetError
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.hashing import difference_hash, near_pairs
from gifcue_lab.datasets.pictures import (
    FORMATS,
    content_hash,
    decode_rgb,
    find_pictures,
    picture_format,
    unread_pictures,
)
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import ATTRIBUTES, LABELS, SAME_BOX_IOU, kind_by_label
from gifcue_lab.datasets.voc import BOX_ORDER, OBJECT_ORDER, parse_xml, read_voc

# LabelImg writes 0 as 1 and rounds down, and people drag past the edge, so a pixel outside is no problem.
EDGE_SLACK = 1.0
_FORMAT_OF_SUFFIX = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".bmp": "bmp", ".webp": "webp"}


class Problem(enum.StrEnum):
    """The problems that are found."""

    UNREADABLE_XML = "unreadable_xml"
    UNREADABLE_PICTURE = "unreadable_picture"
    UNREAD_FORMAT = "unread_format"
    MISSING_PICTURE = "missing_picture"
    MISSING_XML = "missing_xml"
    WRONG_FILENAME = "wrong_filename"
    SIZE_MISMATCH = "size_mismatch"
    FORMAT_MISMATCH = "format_mismatch"
    NOT_JPEG = "not_jpeg"
    UNKNOWN_LABEL = "unknown_label"
    BOX_OUTSIDE = "box_outside"
    BOX_INVERTED = "box_inverted"
    BOX_EMPTY = "box_empty"
    BOX_TWICE = "box_twice"
    CONTRADICTION = "contradiction"
    ELEMENT_ORDER = "element_order"
    SAME_PICTURE = "same_picture"
    NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True)
class Finding:
    """One problem. `file` is relative to the directory that was checked."""

    file: str
    problem: Problem
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}: {self.message}"


@dataclass(frozen=True)
class Looks:
    """What is compared to find duplicates of a picture. `side` is its first directory, "" at the root."""

    file: str
    side: str
    sha256: str
    shape_hash: bytes


def check(
    root: Path,
    *,
    labels: Sequence[str] = LABELS,
    near_bits: int = 6,
    near_within: bool = False,
    track: Track = quiet,
) -> list[Finding]:
    """Checks every picture and XML file under a directory.

    Args:
        root: the directory.
        labels: the labels that may occur.
        near_bits: how many of 256 bits may differ between near duplicates.
        near_within: whether near duplicates within a side are reported too. By default they are reported only between
            sides (train, dev), where training data would leak into the evaluation; frames of one recording are alike.
            Identical files are always reported.
        track: shows progress.

    Returns:
        The findings, sorted by file.

    Raises:
        DatasetError: there is no such directory.
    """
    pictures = find_pictures(root)
    stems = {p.with_suffix("") for p in pictures}
    findings: list[Finding] = []
    looks: list[Looks] = []
    for picture in track(pictures, "checking"):
        look = _check_picture(picture, root, labels, findings)
        if look is not None:
            looks.append(look)
    for labels_file in sorted(root.rglob("*.xml")):
        if labels_file.with_suffix("") not in stems:
            name = labels_file.relative_to(root).as_posix()
            findings.append(
                Finding(
                    name, Problem.MISSING_PICTURE, f"expected a picture ({FORMATS}) of that name beside it"
                )
            )
    for path in unread_pictures(root):
        name = path.relative_to(root).as_posix()
        findings.append(Finding(name, Problem.UNREAD_FORMAT, f"expected one of {FORMATS}, got {path.suffix}"))
    findings.extend(_duplicates(looks, near_bits, near_within))
    return sorted(findings, key=lambda f: (f.file, f.problem, f.message))


def _check_picture(path: Path, root: Path, labels: Sequence[str], findings: list[Finding]) -> Looks | None:
    name = path.relative_to(root).as_posix()

    def found(problem: Problem, message: str, file: str = name) -> None:
        findings.append(Finding(file, problem, message))

    try:
        encoded = path.read_bytes()
        rgb = decode_rgb(encoded, name)
    except (OSError, DatasetError) as error:
        found(Problem.UNREADABLE_PICTURE, str(error))
        return None
    kind, named = picture_format(encoded), _FORMAT_OF_SUFFIX[path.suffix.lower()]
    if kind != named:
        found(Problem.FORMAT_MISMATCH, f"expected {named} by its name, got {kind or 'another format'}")
    elif kind not in ("jpeg", "png"):
        found(Problem.NOT_JPEG, f"expected JPEG or PNG, which TFRecord takes, got {kind}")
    xml = path.with_suffix(".xml")
    if xml.is_file():
        _check_xml(xml, path, (rgb.shape[1], rgb.shape[0]), labels, found, xml.relative_to(root).as_posix())
    else:
        found(Problem.MISSING_XML, "expected an XML file of that name beside it")
    parts = path.relative_to(root).parts
    return Looks(name, parts[0] if len(parts) > 1 else "", content_hash(encoded), difference_hash(rgb))


def _check_xml(
    xml: Path,
    picture: Path,
    size: tuple[int, int],
    labels: Sequence[str],
    found: Callable[[Problem, str, str], None],
    name: str,
) -> None:
    try:
        annotation = read_voc(xml)
    except DatasetError as error:
        found(Problem.UNREADABLE_XML, str(error), name)
        return
    for message in element_order(xml):
        found(Problem.ELEMENT_ORDER, message, name)
    if annotation.filename != picture.name:
        found(
            Problem.WRONG_FILENAME,
            f"expected {picture.name!r} in <filename>, got {annotation.filename!r}",
            name,
        )
    if problem := size_problem(annotation, *size):
        found(Problem.SIZE_MISMATCH, problem, name)
    for problem, message in box_problems(annotation, labels):
        found(problem, message, name)


def size_problem(annotation: Annotation, width: int, height: int) -> str | None:
    """What is wrong where the size in the labels is not the picture's, in pixels as stored; None where it is."""
    if (annotation.width, annotation.height) == (width, height):
        return None
    turned = (
        "; the picture is turned when it is shown (EXIF): save it upright and label it again"
        if (annotation.height, annotation.width) == (width, height)
        else ""
    )
    return f"expected {width} x {height}, the picture's, got {annotation.width} x {annotation.height}{turned}"


def element_order(xml: Path) -> list[str]:
    """Deviations from LabelImg's order of elements, on which converters that read by position rely."""
    wrong = []
    for number, element in enumerate(parse_xml(xml).iter("object"), 1):
        order = [child.tag for child in element if child.tag in OBJECT_ORDER]
        if order != [tag for tag in OBJECT_ORDER if tag in order]:
            wrong.append(f"expected {', '.join(OBJECT_ORDER)} in object {number}, got {', '.join(order)}")
        edges = [child.tag for child in element.find("bndbox") or ()]
        if edges != list(BOX_ORDER):
            wrong.append(f"expected {', '.join(BOX_ORDER)} in object {number}, got {', '.join(edges)}")
    return wrong


def box_problems(annotation: Annotation, labels: Sequence[str] = LABELS) -> Iterator[tuple[Problem, str]]:
    """The problems of the boxes of one picture, alone and in pairs."""
    for labelled in annotation.objects:
        label, box = labelled.label, labelled.box
        where = f"{label} [{', '.join(f'{edge:g}' for edge in box)}]"
        if label not in labels:
            yield Problem.UNKNOWN_LABEL, f"expected one of {', '.join(labels)}, got {label!r}"
        if box.xmax < box.xmin or box.ymax < box.ymin:
            yield Problem.BOX_INVERTED, f"expected xmin < xmax and ymin < ymax, got {where}"
        elif box.area == 0:
            yield Problem.BOX_EMPTY, f"expected a box with an area, got {where}"
        right, bottom = annotation.width + EDGE_SLACK, annotation.height + EDGE_SLACK
        if min(box.xmin, box.ymin) < -EDGE_SLACK or box.xmax > right or box.ymax > bottom:
            yield (
                Problem.BOX_OUTSIDE,
                f"expected it within {annotation.width} x {annotation.height}, got {where}",
            )
    yield from _box_pairs(annotation)


def _box_pairs(annotation: Annotation) -> Iterator[tuple[Problem, str]]:
    objects = annotation.objects
    boxes = [labelled.box for labelled in objects]
    same = iou_matrix(boxes, boxes) >= SAME_BOX_IOU
    for index, one in enumerate(objects):
        for number, other in enumerate(objects[index + 1 :], index + 1):
            if not same[index, number]:
                continue
            if one.label == other.label:
                yield Problem.BOX_TWICE, f"expected each object once, got {one.label!r} twice on one place"
            elif _contradict(one.label, other.label):
                said = f"{one.label!r} and {other.label!r}"
                yield Problem.CONTRADICTION, f"expected one label of a face or hand on a box, got {said}"


def _contradict(label: str, other: str) -> bool:
    """Whether one box cannot show both. A label of one's own may be shown by either kind."""
    if label in ATTRIBUTES or other in ATTRIBUTES:
        return False
    kind_of = kind_by_label(ATTRIBUTES)
    return len({kind_of[each] for each in (label, other) if each in kind_of}) < 2


def _duplicates(looks: Sequence[Looks], near_bits: int, near_within: bool) -> Iterator[Finding]:
    same: dict[str, list[Looks]] = defaultdict(list)
    for look in looks:
        same[look.sha256].append(look)
    for copies in same.values():
        for copy in copies[1:]:
            yield Finding(
                copy.file, Problem.SAME_PICTURE, f"expected each picture once, got {copies[0].file} again"
            )
    for first, second, bits in near_pairs([look.shape_hash for look in looks], near_bits):
        one, other = looks[first], looks[second]
        if one.sha256 != other.sha256 and (near_within or one.side != other.side):
            message = f"looks like {one.file} ({bits} of 256 bits differ)"
            yield Finding(other.file, Problem.NEAR_DUPLICATE, message)
