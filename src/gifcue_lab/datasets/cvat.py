"""Reads CVAT's XML "for images 1.1"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.pictures import LabelledPicture
from gifcue_lab.datasets.voc import parse_xml

_EDGES = ("xtl", "ytl", "xbr", "ybr")
_TRUE = frozenset(("true", "1", "yes"))


def read_cvat(path: Path, pictures: Path) -> Iterator[LabelledPicture]:
    """The pictures of one export; `pictures` is the directory that its image names are relative to.

    A box's attribute `difficult` (a checkbox, if the CVAT task has one) becomes LabelImg's flag. What a face or hand
    shows is a second box, as in LabelImg, and not an attribute.

    Raises:
        DatasetError: the file cannot be read, or holds rotated boxes or other shapes than boxes. Leaving these out
            would turn their regions into background.
    """
    root = parse_xml(path)
    if root.tag != "annotations" or root.findtext("version") not in (None, "1.1"):
        version = root.findtext("version")
        raise DatasetError(f"{path}: expected CVAT for images 1.1, got <{root.tag}> of version {version}")
    images = root.findall("image")
    if not images:
        raise DatasetError(
            f"{path}: expected CVAT for *images* 1.1 with <image> elements, got none (for video?)"
        )
    for image in images:
        name = PurePosixPath(image.get("name", ""))
        where = f"{path}: image {str(name)!r}"
        if not name.name or name.is_absolute() or ".." in name.parts:
            raise DatasetError(f"{where}: expected a relative file name")
        width, height = int(_number(image, "width", where)), int(_number(image, "height", where))
        objects = tuple(_object(shape, where) for shape in image if shape.tag != "tag")
        group = "" if str(name.parent) == "." else str(name.parent)
        yield LabelledPicture(Annotation(name.name, width, height, objects), group, pictures / name)


def _object(shape: Element, where: str) -> LabelledObject:
    if shape.tag != "box":
        raise DatasetError(f"{where}: expected boxes only, got <{shape.tag}> {shape.get('label', '')!r}")
    if float(shape.get("rotation", "0") or 0) != 0:
        raise DatasetError(f"{where}: expected upright boxes, got rotation {shape.get('rotation')}")
    label = shape.get("label", "").strip()
    if not label:
        raise DatasetError(f"{where}: expected a label on every box, got none")
    xmin, ymin, xmax, ymax = (_number(shape, edge, where) for edge in _EDGES)
    flags = {a.get("name", ""): (a.text or "").strip().lower() for a in shape.findall("attribute")}
    return LabelledObject(label, xmin, ymin, xmax, ymax, flags.get("difficult", "") in _TRUE)


def _number(element: Element, name: str, where: str) -> float:
    text = element.get(name)
    try:
        return float(text or "")
    except ValueError:
        raise DatasetError(f"{where}: expected a number in {name}, got {text!r}") from None
