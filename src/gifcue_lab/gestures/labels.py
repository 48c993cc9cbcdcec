"""Which hand shows which gesture: a CSV file beside the data, which names pictures by their digest and holds none.

    picture,x,y,label
    0d1fe40a24a2c1c4,0.412,0.533,victory

`picture` is the start of the SHA-256 of the picture's file. `x` and `y` are the middle of the hand in shares of the
picture. A hand without a line shows what the data set itself says of it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError

# The label of a hand that may show a gesture: it is neither trained on nor counted.
UNKNOWN = "unknown"
# The label of a hand that shows none of the gestures.
NONE = "none"
# The labels of gifcue's own data.
OWN_LABELS = Path(__file__).with_name("labels.csv")
_COLUMNS = ["picture", "x", "y", "label"]


class HandLabel(NamedTuple):
    """One line without its picture."""

    x: float
    y: float
    label: str


Labels = Mapping[str, Sequence[HandLabel]]


def read_labels(path: Path) -> dict[str, list[HandLabel]]:
    """The labels by picture.

    Raises:
        DatasetError: the file cannot be read, or a line is wrong; the message has its number.
    """
    labels: dict[str, list[HandLabel]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if (header := next(rows, None)) != _COLUMNS:
                raise DatasetError(f"{path}: expected the columns {','.join(_COLUMNS)}, got {header}")
            for row in rows:
                labels[row[0]].append(_read(row))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: expected a file of labels, got {error}") from error
    except (ValueError, IndexError) as error:
        raise DatasetError(f"{path}:{rows.line_num}: expected {','.join(_COLUMNS)}, got {error}") from error
    return dict(labels)


def write_labels(path: Path, labels: Labels) -> None:
    """Writes the labels, sorted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for picture in sorted(labels):
            writer.writerows(
                [picture, f"{x:.3f}", f"{y:.3f}", label] for x, y, label in sorted(labels[picture])
            )


def label_of(box: Box, labels: Iterable[HandLabel]) -> str | None:
    """The label whose point lies in the box, the nearest to its middle where there are several; None for none."""
    y, x = box.center
    inside = [each for each in labels if box.xmin <= each.x <= box.xmax and box.ymin <= each.y <= box.ymax]
    nearest = min(inside, key=lambda each: (each.x - x) ** 2 + (each.y - y) ** 2, default=None)
    return None if nearest is None else nearest.label


def _read(row: Sequence[str]) -> HandLabel:
    _, x, y, label = row
    if not label:
        raise ValueError("no label")
    return HandLabel(float(x), float(y), label)
