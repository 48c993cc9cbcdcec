"""A small split of photographs with labels and landmarks, on which a network can be trained in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

GROUPS, PICTURES = 2, 6

XML = """<annotation><folder>{group}</folder><filename>{name}.jpg</filename>
<size><width>96</width><height>72</height><depth>3</depth></size>
<object><name>hand</name><difficult>0</difficult>{box}</object>{gesture}</annotation>"""
BOX = "<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"


def write_photographs(root: Path) -> None:
    """Bright squares as hands; half of them are striped and labelled as a wave."""
    rng = np.random.default_rng(0)
    files, points = [], []
    for group in range(GROUPS):
        folder = root / "train" / f"p{group}"
        folder.mkdir(parents=True)
        for number in range(PICTURES):
            picture = rng.integers(0, 90, (72, 96, 3)).astype(np.uint8)
            x, y = (int(value) for value in rng.integers(4, 40, 2))
            picture[y : y + 28, x : x + 28] = 220
            waves = number % 2 == 0
            if waves:
                picture[y : y + 28, x : x + 28 : 4] = 20
            cv2.imwrite(str(folder / f"{number}.jpg"), picture)
            box = BOX.format(x, y, x + 28, y + 28)
            gesture = f"<object><name>wave</name><difficult>0</difficult>{box}</object>" if waves else ""
            text = XML.format(group=f"p{group}", name=number, box=box, gesture=gesture)
            (folder / f"{number}.xml").write_text(text)
            files.append(f"p{group}/{number}")
            grid = np.add(rng.uniform(0, 28, (21, 3)), [x, y, 0])
            points.append(grid)
    np.savez(
        root / "train" / "landmarks.npz",
        hand_file=np.array(files),
        hand_xyz=np.array(points, np.float16),
        hand_left=np.zeros(len(files), bool),
        face_file=np.array([], "U8"),
        face_xy=np.zeros((0, 156, 2), np.float16),
        face_points=np.arange(156),
    )
