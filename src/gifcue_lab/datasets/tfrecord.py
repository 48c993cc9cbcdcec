"""Reads and writes TFRecord files with the keys of TensorFlow's Object Detection API.

Boxes are shares of the picture, 0..1; `image/object/class/label` is numbered from 1 as in the
`label_map.pbtxt` beside the record. `image/filename` has the group as its directory, so that it is kept when the file
is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gifcue.detect.labels import LabelMap, write_label_map
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.pictures import LabelledPicture, content_hash, picture_format

LABEL_MAP = "label_map.pbtxt"


def write_tfrecord(path: Path, pictures: Iterable[LabelledPicture], labels: Sequence[str]) -> int:
    """Writes one record file and `label_map.pbtxt` beside it, and returns the number of its pictures.

    `labels` are the labels in the order of their numbers, from 1. Raises `DatasetError` for a label that is not among
    them, and for a picture that is neither JPEG nor PNG (the API decodes no others).
    """
    import tensorflow as tf

    numbers = {label: number for number, label in enumerate(labels, 1)}
    part, count = path.with_name(path.name + ".part"), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(part)) as writer:
        for picture in pictures:
            writer.write(_example(tf, picture, numbers).SerializeToString())
            count += 1
    part.replace(path)
    (path.parent / LABEL_MAP).write_text(
        write_label_map(LabelMap({number: label for label, number in numbers.items()})), encoding="utf-8"
    )
    return count


def _example(tf: Any, picture: LabelledPicture, numbers: dict[str, int]) -> Any:
    annotation, encoded = picture.annotation, picture.encoded()
    kind = picture_format(encoded)
    if kind not in ("jpeg", "png"):
        raise DatasetError(
            f"{picture.name}: expected a JPEG or PNG picture for TFRecord, got {kind or 'neither'}"
        )
    unknown = {o.label for o in annotation.objects} - set(numbers)
    if unknown:
        raise DatasetError(f"{picture.name}: expected labels among {sorted(numbers)}, got {sorted(unknown)}")

    def ints(values: Iterable[int]) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=list(values)))

    def floats(values: Iterable[float]) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=list(values)))

    def texts(values: Iterable[bytes]) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=list(values)))

    objects, name = annotation.objects, picture.name.encode()
    feature = {
        "image/height": ints([annotation.height]),
        "image/width": ints([annotation.width]),
        "image/filename": texts([name]),
        "image/source_id": texts([name]),
        "image/key/sha256": texts([content_hash(encoded).encode()]),
        "image/encoded": texts([encoded]),
        "image/format": texts([kind.encode()]),
        "image/object/bbox/xmin": floats(o.xmin / annotation.width for o in objects),
        "image/object/bbox/xmax": floats(o.xmax / annotation.width for o in objects),
        "image/object/bbox/ymin": floats(o.ymin / annotation.height for o in objects),
        "image/object/bbox/ymax": floats(o.ymax / annotation.height for o in objects),
        "image/object/class/text": texts(o.label.encode() for o in objects),
        "image/object/class/label": ints(numbers[o.label] for o in objects),
        "image/object/difficult": ints(int(o.difficult) for o in objects),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def read_tfrecord(path: Path) -> Iterator[LabelledPicture]:
    """The pictures of one record file. Edges are rounded to 0.01 pixels, to remove the error of float32.

    Raises `DatasetError` if the file is missing or damaged, or a record lacks a key.
    """
    import tensorflow as tf

    try:
        for index, record in enumerate(tf.data.TFRecordDataset(str(path))):
            yield _picture(tf.train.Example.FromString(record.numpy()), f"{path}: record {index}")
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise DatasetError(f"{path}: expected a TFRecord file, got {error.message}") from error


def _picture(example: Any, where: str) -> LabelledPicture:
    feature = example.features.feature

    def one(key: str, kind: str) -> Any:
        values = getattr(feature[key], kind).value if key in feature else []
        if len(values) != 1:
            raise DatasetError(f"{where}: expected one value under {key}, got {len(values)}")
        return values[0]

    width, height = int(one("image/width", "int64_list")), int(one("image/height", "int64_list"))
    filename = PurePosixPath(one("image/filename", "bytes_list").decode())
    if filename.is_absolute() or ".." in filename.parts or not filename.name:
        raise DatasetError(f"{where}: expected a relative file name, got {str(filename)!r}")
    labels = feature["image/object/class/text"].bytes_list.value
    edges = [
        [round(edge * scale, 2) for edge in feature[f"image/object/bbox/{name}"].float_list.value]
        for name, scale in (("xmin", width), ("ymin", height), ("xmax", width), ("ymax", height))
    ]
    if any(len(values) != len(labels) for values in edges):
        raise DatasetError(f"{where}: expected {len(labels)} boxes, got {[len(v) for v in edges]} edges")
    difficult = list(feature["image/object/difficult"].int64_list.value) or [0] * len(labels)
    objects = tuple(
        LabelledObject(label.decode(), xmin, ymin, xmax, ymax, bool(flag))
        for label, xmin, ymin, xmax, ymax, flag in zip(labels, *edges, difficult, strict=True)
    )
    group = "" if str(filename.parent) == "." else str(filename.parent)
    annotation = Annotation(filename.name, width, height, objects)
    return LabelledPicture(annotation, group, one("image/encoded", "bytes_list"))
