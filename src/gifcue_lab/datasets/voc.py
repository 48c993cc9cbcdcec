"""Reads and writes LabelImg's Pascal VOC XML.

LabelImg writes `folder, filename, path, source, size, segmented, object*`, and in each object `name, pose, truncated,
difficult, bndbox(xmin, ymin, xmax, ymax)`. Files are read by the names of elements, in any order. They are written in
LabelImg's order, which `gifcue-lab dataset check` requires, because common converters read by position. For coordinates
see `PixelBox`.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, ParseError, SubElement, indent

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject

OBJECT_ORDER = ("name", "pose", "truncated", "difficult", "bndbox")
BOX_ORDER = ("xmin", "ymin", "xmax", "ymax")


def parse_xml(path: Path) -> Element:
    """The root element of an XML file from an untrusted source; entities and external references are refused.

    Raises `DatasetError` if it cannot be read or parsed.
    """
    try:
        root = parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError) as error:
        raise DatasetError(f"{path}: expected an XML file, got {type(error).__name__}: {error}") from error
    if root is None:
        raise DatasetError(f"{path}: expected an XML file, got an empty document")
    return root


def number(element: Element | None, name: str, path: Path) -> float:
    """The number in `element/name`, NaN if it is missing. Accepts "12", "12.0" and " 12 ". Raises `DatasetError`."""
    text = None if element is None else element.findtext(name)
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        raise DatasetError(f"{path}: expected a number in <{name}>, got {text!r}") from None


def read_voc(path: Path) -> Annotation:
    """Reads one LabelImg XML file.

    Boxes are returned as they are, in pixels, even if they are empty or outside of the picture; `check` reports these.
    A missing `difficult` is 0, as in LabelImg.

    Raises:
        DatasetError: the file is no such XML, or lacks the picture's name or size, or the label or edges of a box.
    """
    root = parse_xml(path)
    if root.tag != "annotation":
        raise DatasetError(f"{path}: expected the root element <annotation>, got <{root.tag}>")
    filename = (root.findtext("filename") or "").strip()
    size = root.find("size")
    width, height = number(size, "width", path), number(size, "height", path)
    if not filename:
        raise DatasetError(f"{path}: expected the picture's name in <filename>, got nothing")
    if not (width >= 1 and height >= 1):
        raise DatasetError(f"{path}: expected a width and height of 1 or more, got {width:g} x {height:g}")
    return Annotation(filename, int(width), int(height), tuple(_object(o, path) for o in root.iter("object")))


def _object(element: Element, path: Path) -> LabelledObject:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise DatasetError(f"{path}: expected a label in <object><name>, got nothing")
    box = element.find("bndbox")
    edges = [number(box, name, path) for name in BOX_ORDER]
    if any(edge != edge or abs(edge) == float("inf") for edge in edges):
        raise DatasetError(
            f"{path}: expected {', '.join(BOX_ORDER)} in the <bndbox> of {label!r}, got {edges}"
        )
    xmin, ymin, xmax, ymax = edges
    difficult = (element.findtext("difficult") or "0").strip()
    return LabelledObject(label, xmin, ymin, xmax, ymax, difficult not in ("", "0", "false", "False"))


def write_voc(path: Path, annotation: Annotation, *, folder: str = "", depth: int = 3) -> None:
    """Writes one file as LabelImg does: its order of elements, whole pixels, and 1 for an edge of 0 or less.

    `folder` is by default the name of the directory of `path`. The file is replaced in one step, so that an
    interruption never leaves a damaged file in place of corrections.
    """
    root = Element("annotation")
    _text(root, "folder", folder or path.resolve().parent.name)
    _text(root, "filename", annotation.filename)
    _text(SubElement(root, "source"), "database", "Unknown")
    size = SubElement(root, "size")
    _text(size, "width", annotation.width)
    _text(size, "height", annotation.height)
    _text(size, "depth", depth)
    _text(root, "segmented", 0)
    for labelled in annotation.objects:
        _write_object(root, labelled, annotation)
    indent(root, "\t")
    part = path.with_name(path.name + ".part")
    ElementTree(root).write(part, encoding="utf-8")
    part.replace(path)


def _write_object(root: Element, labelled: LabelledObject, annotation: Annotation) -> None:
    xmin, ymin, xmax, ymax = (max(1, int(edge)) for edge in labelled.box)
    truncated = xmin == 1 or ymin == 1 or xmax >= annotation.width or ymax >= annotation.height
    element = SubElement(root, "object")
    _text(element, "name", labelled.label)
    _text(element, "pose", "Unspecified")
    _text(element, "truncated", int(truncated))
    _text(element, "difficult", int(labelled.difficult))
    box = SubElement(element, "bndbox")
    for name, edge in zip(BOX_ORDER, (xmin, ymin, xmax, ymax), strict=True):
        _text(box, name, edge)


def _text(parent: Element, name: str, value: object) -> None:
    SubElement(parent, name).text = str(value)
