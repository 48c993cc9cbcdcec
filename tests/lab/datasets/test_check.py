from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pytest

from gifcue_lab.datasets.annotation import LabelledObject
from gifcue_lab.datasets.check import Problem, check
from gifcue_lab.datasets.hashing import near_pairs

FACE = LabelledObject("face", 10, 10, 50, 60)


def problems(root: Path, **options: Any) -> list[tuple[str, Problem]]:
    return [(finding.file, finding.problem) for finding in check(root, **options)]


def test_valid_pictures_have_no_problems(tmp_path: Path, make_picture: Any) -> None:
    make_picture("p1/a.jpg", FACE, LabelledObject("smile", *FACE.box), seed=1)
    make_picture("p2/b.png", seed=2)
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("labelled", "problem"),
    [
        (LabelledObject("dog", 10, 10, 50, 60), Problem.UNKNOWN_LABEL),
        (LabelledObject("face", 10, 10, 122, 60), Problem.BOX_OUTSIDE),
        (LabelledObject("face", 50, 10, 10, 60), Problem.BOX_INVERTED),
        (LabelledObject("face", 10, 10, 10, 60), Problem.BOX_EMPTY),
        (FACE, Problem.BOX_TWICE),
        (LabelledObject("neutral", *FACE.box), Problem.CONTRADICTION),
    ],
)
def test_invalid_boxes_are_reported(
    tmp_path: Path, make_picture: Any, labelled: LabelledObject, problem: Problem
) -> None:
    first = LabelledObject("smile", *FACE.box) if problem is Problem.CONTRADICTION else FACE
    make_picture("p1/a.jpg", first, labelled)
    assert problems(tmp_path) == [("p1/a.xml", problem)]


def test_formats_that_are_not_read_are_reported(tmp_path: Path, make_picture: Any) -> None:
    make_picture("p1/a.jpg").rename(tmp_path / "p1" / "a.heic")
    assert problems(tmp_path) == [
        ("p1/a.heic", Problem.UNREAD_FORMAT),
        ("p1/a.xml", Problem.MISSING_PICTURE),
    ]


def test_other_labels_may_be_allowed(tmp_path: Path, make_picture: Any) -> None:
    make_picture("a.jpg", LabelledObject("dog", 10, 10, 50, 60))
    assert problems(tmp_path, labels=("dog",)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"<filename>a.jpg", b"<filename>b.jpg", Problem.WRONG_FILENAME),
        (b"<width>120", b"<width>121", Problem.SIZE_MISMATCH),
        (b"<difficult>0</difficult>", b"", None),
        (b"<name>face</name>", b"", Problem.UNREADABLE_XML),
        (b"</annotation>", b"", Problem.UNREADABLE_XML),
    ],
)
def test_invalid_files_are_reported(
    tmp_path: Path, make_picture: Any, old: bytes, new: bytes, problem: Problem | None
) -> None:
    xml = make_picture("a.jpg").with_suffix(".xml")
    assert old in xml.read_bytes()
    xml.write_bytes(xml.read_bytes().replace(old, new))
    assert problems(tmp_path) == ([] if problem is None else [("a.xml", problem)])


def test_the_order_of_elements(tmp_path: Path, make_picture: Any) -> None:
    xml = make_picture("a.jpg").with_suffix(".xml")
    text = xml.read_text()
    xml.write_text(text.replace("xmin", "other").replace("ymin", "xmin").replace("other", "ymin"))
    assert problems(tmp_path) == [("a.xml", Problem.ELEMENT_ORDER)]
    moved = text.replace("<name>face</name>", "").replace("</object>", "<name>face</name></object>")
    xml.write_text(moved)
    assert problems(tmp_path) == [("a.xml", Problem.ELEMENT_ORDER)]


def test_missing_companion_files_are_reported(tmp_path: Path, make_picture: Any) -> None:
    make_picture("a.jpg", xml=False)
    make_picture("b.jpg", seed=1).unlink()
    make_picture("c.jpg", seed=2).write_bytes(b"no picture")
    make_picture("d.png", seed=3).rename(tmp_path / "d.jpg")
    (tmp_path / "d.xml").write_text((tmp_path / "d.xml").read_text().replace("d.png", "d.jpg"))
    assert problems(tmp_path) == [
        ("a.jpg", Problem.MISSING_XML),
        ("b.xml", Problem.MISSING_PICTURE),
        ("c.jpg", Problem.UNREADABLE_PICTURE),
        ("d.jpg", Problem.FORMAT_MISMATCH),
    ]


def test_duplicate_pictures_are_reported(tmp_path: Path, make_picture: Any) -> None:
    make_picture("train/a.jpg", seed=1)
    make_picture("train/b.jpg", seed=1)
    findings = check(tmp_path)
    assert [(f.file, f.problem) for f in findings] == [("train/b.jpg", Problem.SAME_PICTURE)]
    assert "train/a.jpg" in str(findings[0])


def test_near_duplicates_are_reported_between_splits_and_optionally_within_one(
    tmp_path: Path, make_picture: Any
) -> None:
    first = make_picture("train/a.jpg", seed=1)
    worse = cv2.imread(str(first))
    assert worse is not None
    for name in ("train/b.jpg", "dev/c.jpg"):
        make_picture(name, seed=5)
        cv2.imwrite(str(tmp_path / name), worse, [cv2.IMWRITE_JPEG_QUALITY, 60 if "b" in name else 40])
    make_picture("dev/d.jpg", seed=9)
    between = problems(tmp_path)
    assert {file for file, _ in between} == {"train/a.jpg", "train/b.jpg"}
    assert {problem for _, problem in between} == {Problem.NEAR_DUPLICATE}
    assert len(problems(tmp_path, near_within=True)) == len(between) + 1


def test_pairs_are_found_across_blocks() -> None:
    hashes = [number.to_bytes(32, "little") for number in (0, 1, 3, 255)] + [b"\xff" * 32] * 600
    found = near_pairs(hashes, 2)
    assert [(i, j, bits) for i, j, bits in found if i < 4] == [(0, 1, 1), (0, 2, 2), (1, 2, 1)]
    assert len(found) == 3 + 600 * 599 // 2
