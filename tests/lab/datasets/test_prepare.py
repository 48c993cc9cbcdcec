"""Folders of LabelImg made trainable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.pictures import decode_rgb
from gifcue_lab.datasets.placing import OwnLabel
from gifcue_lab.datasets.prepare import prepare
from gifcue_lab.datasets.voc import read_voc, write_voc
from gifcue_lab.training.samples import read_image

THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.6}
OWN = {"drinking": OwnLabel("drinking", "face")}
# In pictures of 120 x 90; the face that is found lies within.
SCENE = LabelledObject("drinking", 10, 5, 80, 85)


class OneFace:
    info = ServedModel("test", "1", "test", tuple(THRESHOLDS), THRESHOLDS, 64, 64)

    def warm(self) -> None: ...

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [[Region("face", Box(0.2, 0.2, 0.8, 0.5), 0.9, {"smile": 0.8})] for _ in frames]

    def close(self) -> None: ...


def test_loose_pictures_become_groups_of_five(tmp_path: Path, make_picture: Any) -> None:
    for number in range(6):
        make_picture(f"in/{number}.jpg", SCENE, seed=number)
    make_picture("in/anna/park/7.jpg", xml=False)
    done = prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)
    assert (done.pictures, done.groups, done.without_labels) == (7, 3, 1)
    assert done.labels == {"face": 7, "drinking": 6, "smile": 1}
    folders = {path.parent.name for path in (tmp_path / "out").rglob("*.jpg")}
    assert folders == {"set-01", "set-02", "anna-park"}
    labels = read_voc(tmp_path / "out" / "set-02" / "5.xml").objects
    assert [each.label for each in labels] == ["face", "drinking"]
    assert labels[0].box == labels[1].box


def test_pictures_of_formats_that_are_not_read_are_named(tmp_path: Path, make_picture: Any) -> None:
    make_picture("in/a.jpg", SCENE)
    make_picture("in/anna/b.jpg", SCENE).rename(tmp_path / "in" / "anna" / "b.HEIC")
    with pytest.raises(
        DatasetError, match=r"beside its picture \(\.jpg, .*\), got 1 without one: .*/anna/b\.xml"
    ):
        prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)
    (tmp_path / "in" / "anna" / "b.xml").unlink()
    assert prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN).unread == ["anna/b.HEIC"]


def test_pictures_that_would_get_one_place_are_refused(tmp_path: Path, make_picture: Any) -> None:
    make_picture("in/a/b/1.jpg", SCENE)
    make_picture("in/a-b/1.jpg", SCENE, seed=1)
    with pytest.raises(DatasetError, match=r"got a-b/1 for both; rename one"):
        prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)


def test_large_pictures_are_scaled_with_their_boxes(tmp_path: Path, make_picture: Any) -> None:
    path = make_picture("in/a.png", xml=False)
    cv2.imwrite(str(path), np.full((720, 1280, 3), 90, np.uint8))
    drawn = LabelledObject("face", 200, 100, 600, 700), LabelledObject("drinking", 200, 100, 600, 700)
    write_voc(path.with_suffix(".xml"), Annotation("a.png", 1280, 720, drawn))
    prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)
    written = read_voc(tmp_path / "out" / "set-01" / "a.xml")
    assert (written.filename, written.width, written.height) == ("a.jpg", 640, 360)
    assert written.objects[0].box == (100, 50, 300, 350)
    assert decode_rgb((tmp_path / "out" / "set-01" / "a.jpg").read_bytes()).shape == (360, 640, 3)


def test_each_picture_is_read_to_be_placed_and_to_be_copied_and_never_again(
    tmp_path: Path, make_picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of a data set do not fit into memory, so the copy reads them once more."""
    paths = [make_picture(f"in/{number}.jpg", SCENE, seed=number) for number in range(3)]
    read: Counter[Path] = Counter()
    read_bytes = Path.read_bytes

    def count(path: Path) -> bytes:
        read[path] += path.suffix == ".jpg"
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", count)
    prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)
    assert +read == Counter(dict.fromkeys(paths, 2))


def test_pictures_that_are_turned_when_they_are_shown_are_named(tmp_path: Path, make_picture: Any) -> None:
    """Also those without labels and those upside down, whose size says nothing."""
    for number, (orientation, xml) in enumerate(((1, True), (3, True), (6, False))):
        path = make_picture(f"in/{number}.jpg", SCENE, seed=number, xml=xml)
        picture = Image.open(path)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(path, exif=exif)
    done = prepare(OneFace(), tmp_path / "in", tmp_path / "out", OWN)
    assert done.turned == ["1.jpg", "2.jpg"]
    # Training sees the pixels that the boxes are on.
    assert read_image(tmp_path / "out" / "set-01" / "2.jpg").shape == (90, 120, 3)


@pytest.mark.parametrize(
    ("labelled", "own", "message"),
    [
        (SCENE, {}, r"a\.xml: expected one of .* got 'drinking'; name each of your labels with --face LABEL"),
        (SCENE, {"drinkin": OWN["drinking"]}, "got 'drinking'; name each"),
        (LabelledObject("smile", *SCENE.box), OWN, "expected boxes of drinking, got none; .* 1 smile"),
        (
            SCENE,
            {"drinking": OwnLabel("drinking", "hand")},
            "got none among 1 boxes .* use --face drinking",
        ),
        (
            LabelledObject("drinking", 100, 5, 118, 85),
            OWN,
            "use --hand drinking; otherwise draw a box 'face'",
        ),
        (LabelledObject("drinking", 10, 5, 180, 85), OWN, "expected it within 120 x 90"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, make_picture: Any, labelled: LabelledObject, own: dict[str, OwnLabel], message: str
) -> None:
    make_picture("in/a.jpg", labelled)
    with pytest.raises(DatasetError, match=message):
        prepare(OneFace(), tmp_path / "in", tmp_path / "out", own)
    assert not (tmp_path / "out").exists()


def test_wrong_folders_are_told(tmp_path: Path, make_picture: Any) -> None:
    source, out = tmp_path / "in", tmp_path / "out"

    def message() -> str:
        with pytest.raises(DatasetError) as caught:
            prepare(OneFace(), source, out, OWN)
        return str(caught.value)

    assert "expected a directory with pictures" in message()
    source.touch()
    assert "got a file; `gifcue-lab dataset explode` writes the frames" in message()
    source.unlink()
    source.mkdir()
    assert "expected pictures (.jpg, .jpeg, .png, .bmp, .webp), got none" in message()
    make_picture("in/a.jpg", xml=False)
    assert "1 pictures without" in message()
    # LabelImg's files are often kept apart.
    other = make_picture("labels/a.jpg", SCENE).with_suffix(".xml")
    (source / "labels").mkdir()
    other.rename(source / "labels" / "a.xml")
    assert "got 1 without one" in message()
    (source / "labels" / "a.xml").unlink()
    turned = Annotation("a.jpg", 90, 120, (LabelledObject("drinking", 10, 5, 80, 85),))
    write_voc(source / "a.xml", turned)
    assert "got 90 x 120; the picture is turned when it is shown (EXIF)" in message()
    make_picture("out/b.jpg")
    assert "expected a new or empty folder" in message()
    out = source / "prepared"
    assert "expected a folder outside" in message()
