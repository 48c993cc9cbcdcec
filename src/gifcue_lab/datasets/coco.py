"""COCO's JSON for object detection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import LabelledPicture


def write_coco(path: Path, pictures: Iterable[LabelledPicture], labels: Sequence[str]) -> int:
    """Writes one `instances` file and returns the number of its pictures.

    `bbox` is [x, y, width, height] in pixels; category ids are 1-based in the order of `labels`. COCO has no
    `difficult`: it is written under that name, which other readers ignore, and `iscrowd` is 0.
    Raises `DatasetError` for a label that is not in `labels`.
    """
    numbers = {label: number for number, label in enumerate(labels, 1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for picture in pictures:
        annotation = picture.annotation
        size = {"width": annotation.width, "height": annotation.height}
        images.append({"id": len(images) + 1, "file_name": picture.name, **size})
        for labelled in annotation.objects:
            if labelled.label not in numbers:
                raise DatasetError(
                    f"{picture.name}: expected labels in {list(labels)}, got {labelled.label!r}"
                )
            xmin, ymin, xmax, ymax = labelled.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": numbers[labelled.label],
                    "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                    "area": labelled.box.area,
                    "iscrowd": 0,
                    "difficult": int(labelled.difficult),
                }
            )
    categories = [{"id": number, "name": label} for label, number in numbers.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return len(images)
