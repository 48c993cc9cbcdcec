from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.detect.labels import read_label_map
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.convert import convert
from gifcue_lab.datasets.cvat import read_cvat
from gifcue_lab.datasets.pictures import read_folder
from gifcue_lab.datasets.tfrecord import read_tfrecord

HAND = LabelledObject("hand", 61, 20, 117, 88, True)
WAVE = LabelledObject("wave", 61, 20, 117, 88)


@pytest.fixture
def folder(tmp_path: Path, make_picture: object) -> Path:
    assert callable(make_picture)
    make_picture("in/p1/a.jpg", seed=1)
    make_picture("in/p1/b.png", HAND, WAVE, seed=2)
    make_picture("in/p2/a.jpg", LabelledObject("cat", 1, 1, 2, 3), seed=3)
    return tmp_path / "in"


def test_records_keep_pictures_groups_and_labels(tmp_path: Path, folder: Path) -> None:
    done = convert(folder, tmp_path / "all.tfrecord", read="voc", write="tfrecord")
    assert (done.pictures, done.objects, done.labels) == (3, 4, ("face", "hand", "wave", "cat"))
    assert read_label_map(tmp_path / "label_map.pbtxt").names == done.labels
    convert(tmp_path / "all.tfrecord", tmp_path / "out", read="tfrecord", write="voc")
    before, after = list(read_folder(folder)), list(read_folder(tmp_path / "out"))
    assert [(p.annotation, p.group, p.encoded()) for p in after] == [
        (p.annotation, p.group, p.encoded()) for p in before
    ]


def test_records_have_the_keys_of_the_object_detection_api(tmp_path: Path, folder: Path) -> None:
    import tensorflow as tf

    convert(folder, tmp_path / "all.tfrecord", read="voc", write="tfrecord")
    records = [
        tf.train.Example.FromString(record.numpy()).features.feature
        for record in tf.data.TFRecordDataset(str(tmp_path / "all.tfrecord"))
    ]
    found = next(r for r in records if r["image/filename"].bytes_list.value[0] == b"p1/b.png")
    assert found["image/format"].bytes_list.value[0] == b"png"
    assert list(found["image/object/class/text"].bytes_list.value) == [b"hand", b"wave"]
    assert list(found["image/object/class/label"].int64_list.value) == [2, 3]
    assert list(found["image/object/difficult"].int64_list.value) == [1, 0]
    assert list(found["image/object/bbox/xmin"].float_list.value) == pytest.approx([61 / 120] * 2)
    assert list(found["image/object/bbox/ymax"].float_list.value) == pytest.approx([88 / 90] * 2)


def test_a_damaged_record_is_named(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "all.tfrecord"
    convert(folder, path, read="voc", write="tfrecord")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DatasetError, match=r"all\.tfrecord"):
        list(read_tfrecord(path))


def test_labels_without_an_id_are_refused(tmp_path: Path, folder: Path) -> None:
    for target, name in (("tfrecord", "x.tfrecord"), ("coco", "x.json")):
        with pytest.raises(DatasetError, match="cat"):
            convert(folder, tmp_path / name, read="voc", write=target, labels=("face", "hand", "wave"))  # type: ignore[arg-type]


def test_conversion_to_coco(tmp_path: Path, folder: Path) -> None:
    convert(folder, tmp_path / "coco.json", read="voc", write="coco", labels=("hand", "wave", "face", "cat"))
    document = json.loads((tmp_path / "coco.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["p1/a.jpg", "p1/b.png", "p2/a.jpg"]
    assert document["categories"][2] == {"id": 3, "name": "face"}
    assert document["annotations"][1] == {
        "id": 2,
        "image_id": 2,
        "category_id": 1,
        "bbox": [61, 20, 56, 68],
        "area": 56 * 68,
        "iscrowd": 0,
        "difficult": 1,
    }


def test_existing_files_are_not_overwritten(tmp_path: Path, folder: Path) -> None:
    convert(folder, tmp_path / "all.tfrecord", read="voc", write="tfrecord")
    with pytest.raises(DatasetError, match="already there"):
        convert(tmp_path / "all.tfrecord", folder, read="tfrecord", write="voc")


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id></task></meta>
  <image id="0" name="p1/a.jpg" width="120" height="90">
    <box label="hand" occluded="0" xtl="61.50" ytl="20.00" xbr="117.25" ybr="88.00">
      <attribute name="difficult">true</attribute>
    </box>
    <tag label="night" source="manual"/>
  </image>
  <image id="1" name="b.jpg" width="120" height="90"></image>
</annotations>
"""


def test_cvat_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT)
    first, second = read_cvat(path, tmp_path / "images")
    assert first.annotation == Annotation(
        "a.jpg", 120, 90, (LabelledObject("hand", 61.5, 20, 117.25, 88, True),)
    )
    assert (first.group, first.source) == ("p1", tmp_path / "images/p1/a.jpg")
    assert (second.group, second.annotation.objects) == ("", ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("box label", 'polygon points="1,2" label', "boxes only, got <polygon>"),
        ("</box>", "</box>", ""),
        ('occluded="0"', 'rotation="12.5"', "upright boxes"),
        ("61.50", "left", "a number in xtl, got 'left'"),
        ("1.1", "1.0", "CVAT for images 1.1"),
        ("<image ", "<track ", "expected CVAT for"),
        ("p1/a.jpg", "../a.jpg", "relative file name"),
    ],
)
def test_unsupported_cvat_input_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "annotations.xml"
    text = CVAT.replace(old, new)
    for tag in ("polygon", "track"):
        if f"<{tag}" in text:
            text = text.replace("</box>" if tag == "polygon" else "</image>", f"</{tag}>")
    path.write_text(text)
    if not message:
        assert len(list(read_cvat(path, tmp_path))) == 2
        return
    with pytest.raises(DatasetError, match=message):
        list(read_cvat(path, tmp_path))
