"""Labels of photographs, read from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, read_photos

XML = """<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height></size>
{objects}</annotation>"""
OBJECT = """<object><name>{0}</name><difficult>{1}</difficult><bndbox><xmin>{2}</xmin><ymin>{3}</ymin>
<xmax>{4}</xmax><ymax>{5}</ymax></bndbox></object>"""


def read(root: Path, *objects: tuple[str, int, int, int, int, int]) -> Photo:
    """One photograph: label, difficult and box of each object."""
    folder = root / "train" / "p0"
    folder.mkdir(parents=True)
    (folder / "a.xml").write_text(XML.format(objects="".join(OBJECT.format(*item) for item in objects)))
    return read_photos(root, "train")[0]


def test_a_second_box_names_the_attribute_and_difficult_hides_it(tmp_path: Path) -> None:
    photo = read(
        tmp_path,
        ("hand", 0, 1, 1, 9, 9),
        ("wave", 0, 1, 1, 9, 9),
        ("hand", 1, 20, 1, 30, 9),
        ("face", 0, 40, 1, 50, 9),
    )
    assert [sample.attribute for sample in photo.samples] == ["wave", UNKNOWN, NONE]


def test_a_box_that_was_drawn_anew_is_the_same_face_as_in_evaluation(tmp_path: Path) -> None:
    """Corners that are off by 6 pixels, as by hand in LabelImg, on a face of 100 pixels; and a smile on a hand."""
    photo = read(
        tmp_path,
        ("face", 0, 10, 10, 110, 110),
        ("smile", 0, 14, 6, 114, 108),
        ("face", 0, 200, 10, 300, 110),
        ("smile", 0, 230, 10, 330, 110),
        ("hand", 0, 400, 10, 500, 110),
        ("drinking", 0, 403, 13, 503, 113),
    )
    said = [(sample.kind, sample.attribute) for sample in photo.samples]
    # A smile beside the faces is another face.
    assert said == [("face", "smile"), ("face", NONE), ("hand", "drinking"), ("face", "smile")]


def test_a_split_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train: expected photographs with labels, got none"):
        read_photos(tmp_path, "train")
