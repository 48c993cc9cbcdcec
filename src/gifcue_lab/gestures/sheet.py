"""Contact sheets of hands, to look at labels and at errors by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.media.files import read_rgb
from gifcue_lab.gestures.hands import Hands

COLUMNS, ROWS = 14, 9
TILE_PX = 112
_TEXT_PX = 12
_MARGIN = 0.25


def write_sheets(
    hands: Hands, root: Path, chosen: Sequence[int], captions: Sequence[str], out: Path
) -> list[Path]:
    """Writes the hands with these numbers as PNG files into `out`, with the number of each and a caption.

    Args:
        root: the directory of the data set.

    Raises:
        UnreadableMedia: a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for page, begin in enumerate(range(0, len(chosen), COLUMNS * ROWS)):
        tiles = [
            _tile(hands, root, number, caption)
            for number, caption in zip(
                chosen[begin : begin + COLUMNS * ROWS], captions[begin : begin + COLUMNS * ROWS], strict=True
            )
        ]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
        rows = [np.hstack(tiles[place : place + COLUMNS]) for place in range(0, len(tiles), COLUMNS)]
        files.append(out / f"{page:02d}.png")
        cv2.imwrite(str(files[-1]), np.vstack(rows))
    return files


def _tile(hands: Hands, root: Path, number: int, caption: str) -> npt.NDArray[np.uint8]:
    """The square around one hand, BGR, over its number and caption."""
    picture = read_rgb(root / str(hands.pictures[number]))
    height, width = picture.shape[:2]
    ymin, xmin, ymax, xmax = hands.boxes[number] * (height, width, height, width)
    half = (0.5 + _MARGIN) * max(ymax - ymin, xmax - xmin)
    y, x = (ymin + ymax) / 2, (xmin + xmax) / 2
    # The corners of the square in the picture; what lies outside of it is black.
    corners = np.array([[x - half, y - half], [x + half, y - half], [x - half, y + half]], np.float32)
    to = np.array([[0, 0], [TILE_PX, 0], [0, TILE_PX]], np.float32)
    crop = cv2.warpAffine(
        picture, cv2.getAffineTransform(corners, to), (TILE_PX, TILE_PX), flags=cv2.INTER_AREA
    )
    tile = np.zeros((TILE_PX + _TEXT_PX, TILE_PX, 3), np.uint8)
    tile[:TILE_PX] = crop[:, :, ::-1]
    cv2.putText(
        tile,
        f"{number} {caption}",
        (1, TILE_PX + 10),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.34,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
    return tile
