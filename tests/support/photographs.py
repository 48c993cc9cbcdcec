"""Writes a small folder of labelled pictures: a drawn person in front of a wall, with hands at different places.

For tests of synthesis, which must not contain real people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc

SIZE = WIDTH, HEIGHT = 192, 144
# Red, green and blue of a hand. Nothing else in the pictures has this colour.
SKIN = (230, 40, 160)
# (xmin, ymin, xmax, ymax)
FACE = (84, 30, 112, 66)
# Positions of the wrist on either side of the face.
LEFT, RIGHT = (36, 110), (158, 110)
HAND_WIDTH = 26.0

Wrist = tuple[int, int]
# (gesture, expression, wrists): "" is none, "?" is unknown.
Shown = tuple[str, str, Sequence[Wrist]]

SOMEBODY: tuple[Shown, ...] = (
    ("wave", "neutral", [LEFT]),
    ("wave", "neutral", [RIGHT]),
    ("thumbs_up", "neutral", [LEFT]),
    ("thumbs_up", "neutral", [RIGHT]),
    ("ok_hand", "?", [LEFT]),
    ("", "neutral", [LEFT]),
    ("", "neutral", [RIGHT]),
    ("", "neutral", []),
    ("", "smile", []),
)
# A person whose expression is always unknown.
STRANGER: tuple[Shown, ...] = (("wave", "?", [LEFT]), *[("", "?", [RIGHT])] * 3, *[("", "?", [LEFT])] * 3)


def hand_points(wrist: Wrist) -> npt.NDArray[np.float32]:
    """MediaPipe's 21 points of an open palm, fingers up, `HAND_WIDTH` wide: float32 [21, 3] in pixels."""
    points = np.zeros((21, 3), np.float32)
    for finger in range(5):
        low, high = (-6, -20) if finger == 0 else (-16, -40)
        for joint in range(4):
            points[1 + 4 * finger + joint, :2] = (
                (finger / 4 - 0.5) * HAND_WIDTH,
                low + (high - low) * joint / 3,
            )
    points[:, :2] += wrist
    return points


def draw_person(person: int, wrists: Iterable[Wrist], number: int) -> npt.NDArray[np.uint8]:
    """uint8 RGB [HEIGHT, WIDTH, 3]. `person` determines the wall, and `number` only the noise."""
    wall = np.random.default_rng(person).integers(20, 150, (6, 8, 3), np.uint8)
    picture = cv2.resize(wall, SIZE, interpolation=cv2.INTER_CUBIC)
    cv2.ellipse(picture, (98, 150), (44, 70), 0, 0, 360, (40, 60, 120), -1)
    cv2.ellipse(picture, (98, 48), (14, 19), 0, 0, 360, (150, 120, 100), -1)
    for wrist in wrists:
        outline = cv2.convexHull(hand_points(wrist)[:, :2].astype(np.int32))[:, 0]
        cv2.fillConvexPoly(picture, outline, SKIN)
        cv2.line(picture, wrist, (wrist[0], HEIGHT), SKIN, 9)
    noise = np.random.default_rng((person, number)).normal(0, 1.5, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def write_people(split: Path, groups: dict[str, Sequence[Shown]]) -> None:
    """Writes `split/GROUP/NN.jpg` with its XML for each element of `groups`, and landmarks.npz."""
    rows: list[tuple[str, npt.NDArray[np.float32]]] = []
    for person, (group, shown) in enumerate(groups.items()):
        folder = split / group
        folder.mkdir(parents=True)
        for number, (gesture, expression, wrists) in enumerate(shown):
            name = f"{number:02}"
            picture = draw_person(person, wrists, number)
            quality = [cv2.IMWRITE_JPEG_QUALITY, 98]
            cv2.imwrite(str(folder / f"{name}.jpg"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
            objects = [*_objects("face", FACE, expression)]
            for wrist in wrists:
                points = hand_points(wrist)
                low, high = points[:, :2].min(0) - 2, points[:, :2].max(0) + 2
                box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
                objects += _objects("hand", box, gesture)
                rows.append((f"{group}/{name}", points))
            write_voc(folder / f"{name}.xml", Annotation(f"{name}.jpg", *SIZE, tuple(objects)))
    np.savez(
        split / "landmarks.npz",
        hand_file=np.array([name for name, _ in rows]),
        hand_xyz=np.array([points for _, points in rows], np.float16),
        hand_left=np.zeros(len(rows), bool),
        hand_score=np.ones(len(rows), np.float16),
        face_file=np.array([], str),
        face_xy=np.zeros((0, 156, 2), np.float16),
        face_points=np.arange(156),
    )


def _objects(kind: str, box: tuple[float, float, float, float], shows: str) -> list[LabelledObject]:
    first = LabelledObject(kind, *box, difficult=shows == "?")
    return [first] if shows in ("", "?") else [first, LabelledObject(shows, *box)]
