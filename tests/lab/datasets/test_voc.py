from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.voc import BOX_ORDER, OBJECT_ORDER, read_voc, write_voc

LABELIMG = """<annotation verified="yes">
\t<folder>ann</folder>
\t<filename>one.jpg</filename>
\t<path>somewhere/one.jpg</path>
\t<source><database>Unknown</database></source>
\t<size><width>640</width><height>480</height><depth>3</depth></size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>face</name><pose>Unspecified</pose><truncated>0</truncated><difficult>1</difficult>
\t\t<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>110</xmax><ymax>140</ymax></bndbox>
\t</object>
</annotation>
"""


def xml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "one.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_labelimg_writes(tmp_path: Path) -> None:
    annotation = read_voc(xml(tmp_path, LABELIMG))
    assert annotation == Annotation("one.jpg", 640, 480, (LabelledObject("face", 10, 20, 110, 140, True),))


def test_reads_by_name_whatever_the_order(tmp_path: Path) -> None:
    text = LABELIMG.replace("<xmin>10</xmin><ymin>20</ymin>", "<ymin> 20.0 </ymin><xmin>10</xmin>").replace(
        "<difficult>1</difficult>", ""
    )
    assert read_voc(xml(tmp_path, text)).objects == (LabelledObject("face", 10, 20, 110, 140, False),)


def test_writes_in_labelimgs_order_and_reads_back(tmp_path: Path) -> None:
    annotation = Annotation(
        "a & b.jpg",
        64,
        48,
        (LabelledObject("hand", 2, 3, 20, 30), LabelledObject("wave", 2, 3, 20, 30, True)),
    )
    write_voc(tmp_path / "a.xml", annotation)
    assert read_voc(tmp_path / "a.xml") == annotation
    element = ElementTree.parse(tmp_path / "a.xml").getroot().find("object")
    assert element is not None
    assert tuple(child.tag for child in element) == OBJECT_ORDER
    assert tuple(child.tag for child in element[4]) == BOX_ORDER
    assert not list(tmp_path.glob("*.part"))


def test_writes_zero_as_one_and_marks_what_the_edge_cuts(tmp_path: Path) -> None:
    write_voc(tmp_path / "a.xml", Annotation("a.jpg", 64, 48, (LabelledObject("hand", 0, -2, 20.9, 30),)))
    assert read_voc(tmp_path / "a.xml").objects[0].box == (1, 1, 20, 30)
    assert ElementTree.parse(tmp_path / "a.xml").findtext("object/truncated") == "1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no xml", "expected an XML file"),
        ("<html/>", "expected the root element <annotation>, got <html>"),
        (LABELIMG.replace("one.jpg", ""), "picture's name"),
        (LABELIMG.replace("<height>480</height>", ""), "width and height of 1 or more"),
        (LABELIMG.replace("<name>face</name>", ""), "expected a label"),
        (LABELIMG.replace("<xmax>110</xmax>", ""), "in the <bndbox> of 'face'"),
        (LABELIMG.replace("<xmax>110", "<xmax>wide"), "expected a number in <xmax>, got 'wide'"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', "EntitiesForbidden"),
    ],
)
def test_says_which_file_is_wrong_and_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=r"one\.xml: .*" + message.replace("(", r"\(")):
        read_voc(xml(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.xml"):
        read_voc(tmp_path / "gone.xml")
