"""Counts the labels of a dataset, and draws them as a chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gifcue_lab.datasets.pictures import LabelledPicture, label_order, read_folder
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import LABELS

Sides = Mapping[str, Sequence[LabelledPicture]]


def read_sides(root: Path, track: Track = quiet) -> dict[str, list[LabelledPicture]]:
    """The pictures of a directory by side; all are of the side "" if the directory holds no sides.

    `root/train/p001/a.jpg` is of the side `train`. `root/p001/a.jpg` is of the side "", because `p001` is a group.
    """
    sides: dict[str, list[LabelledPicture]] = {}
    for picture in read_folder(root, track):
        side, _, group = picture.group.partition("/")
        if group:
            sides.setdefault(side, []).append(replace(picture, group=group))
        else:
            sides.setdefault("", []).append(picture)
    return dict(sorted(sides.items(), reverse=True))


def count_labels(sides: Sides) -> dict[str, Any]:
    """Counts boxes by label and side. Every side has an entry for every label of the dataset.

    The result is `{"labels": [...], "sides": {side: {"pictures", "groups", "objects", "empty_pictures",
    "labels": {label: {"boxes", "difficult", "pictures", "groups"}}}}}`.
    """
    order = label_order([p for pictures in sides.values() for p in pictures], LABELS)
    return {
        "labels": list(order),
        "sides": {side: _count(pictures, order) for side, pictures in sides.items()},
    }


def _count(pictures: Sequence[LabelledPicture], order: Sequence[str]) -> dict[str, object]:
    boxes: Counter[str] = Counter()
    difficult: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    groups: dict[str, set[str]] = {label: set() for label in order}
    for picture in pictures:
        objects = picture.annotation.objects
        boxes.update(o.label for o in objects)
        difficult.update(o.label for o in objects if o.difficult)
        shown.update({o.label for o in objects})
        for labelled in objects:
            groups[labelled.label].add(picture.group)
    return {
        "pictures": len(pictures),
        "groups": len({picture.group for picture in pictures}),
        "objects": boxes.total(),
        "empty_pictures": sum(not picture.annotation.objects for picture in pictures),
        "labels": {
            label: {
                "boxes": boxes[label],
                "difficult": difficult[label],
                "pictures": shown[label],
                "groups": len(groups[label]),
            }
            for label in order
        },
    }


def draw_labels(counts: dict[str, Any], path: Path) -> None:
    """Writes a bar chart (PNG) of boxes by label, with a bar for each side.

    The axis is logarithmic, because faces are a hundred times as frequent as rare gestures.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    labels, sides = counts["labels"], counts["sides"]
    figure, axes = plt.subplots(figsize=(max(6.0, 1.3 * len(labels) + 2), 4.5), layout="constrained")
    width = 0.8 / max(1, len(sides))
    for place, (side, count) in enumerate(sides.items()):
        values = [count["labels"][label]["boxes"] for label in labels]
        offset = (place - (len(sides) - 1) / 2) * width
        title = f"{side or 'all'}: {count['pictures']:,} pictures, {count['groups']} groups"
        bars = axes.bar([i + offset for i in range(len(labels))], values, width * 0.95, label=title)
        axes.bar_label(bars, [f"{v:,}" for v in values], fontsize=8, padding=2)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel("boxes")
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
