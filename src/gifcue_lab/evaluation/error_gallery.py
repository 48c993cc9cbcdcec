"""One picture with the worst mistakes of a detector, for people to look at.

It shows people. It is written only on request, and must not be shared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.pictures import decode_rgb, write_jpeg
from gifcue_lab.evaluation.matches import Mistake, PictureMatches

TILE_PX = 200
CAPTION_PX = 34
COLUMNS = 8
# Side of the part of the picture that a tile shows, in longer sides of the box.
_CONTEXT = 2.2
_GREEN, _RED, _INK, _PAPER = (60, 170, 60), (220, 50, 50), (20, 20, 20), (255, 255, 255)

Picture = npt.NDArray[np.uint8]


def worst_mistakes(
    matches: Sequence[PictureMatches], labels: Sequence[str], per_kind: int = 4, per_group: int = 2
) -> list[Mistake]:
    """The most severe missed and the most severe false detections, `per_kind` of each for every label, in their order.

    At most `per_group` of these come from one group, so that no person fills the page. Mistakes of equal severity are
    ordered by a hash of their names, so that the first groups are not preferred.
    """
    every = sorted(
        (mistake for one in matches for mistake in one.mistakes),
        key=lambda m: (
            -round(m.severity, 4),
            crc32(m.picture.name.encode()),
            m.label,
            m.box.ymin,
            m.box.xmin,
        ),
    )
    kinds: Counter[tuple[str, bool]] = Counter()
    groups: Counter[tuple[str, bool, str]] = Counter()
    chosen = []
    for mistake in every:
        kind = mistake.label, mistake.said == "missed"
        group = (*kind, mistake.picture.group)
        if kinds[kind] < per_kind and groups[group] < per_group:
            kinds[kind] += 1
            groups[group] += 1
            chosen.append(mistake)
    return sorted(chosen, key=lambda m: (labels.index(m.label), m.said == "missed", -m.severity))


def draw_gallery(mistakes: Sequence[Mistake], path: Path) -> None:
    """Writes a JPEG of tiles. Green boxes were missed, red ones are false; below are label, score and group."""
    rows = max(1, -(-len(mistakes) // COLUMNS))
    cell = TILE_PX + CAPTION_PX
    page: Picture = np.full((rows * cell, COLUMNS * TILE_PX, 3), _PAPER, np.uint8)
    for place, mistake in enumerate(mistakes):
        top, left = place // COLUMNS * cell, place % COLUMNS * TILE_PX
        page[top : top + TILE_PX, left : left + TILE_PX] = _tile(mistake)
        missed = mistake.said == "missed"
        said = f"{mistake.label} missed" if missed else f"{mistake.label} on {mistake.truth}"
        for line, text in enumerate((said, f"{mistake.score:.2f}  {mistake.picture.group}")):
            at = left + 4, top + TILE_PX + 13 + 15 * line
            cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    write_jpeg(path, page)


def _tile(mistake: Mistake) -> Picture:
    picture = mistake.picture
    rgb = decode_rgb(picture.path.read_bytes(), picture.name)
    height, width = rgb.shape[:2]
    box = mistake.box
    side = max(box.height * height, box.width * width, 8.0) * _CONTEXT
    scale = TILE_PX / side
    y, x = box.center
    left, top = x * width - side / 2, y * height - side / 2
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float64)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = cv2.warpAffine(rgb, move, (TILE_PX, TILE_PX), flags=flags, borderValue=(230, 230, 230))
    corners = _corners(box, width, height, left, top, scale)
    cv2.rectangle(tile, *corners, _GREEN if mistake.said == "missed" else _RED, 2)
    cv2.rectangle(tile, (0, 0), (TILE_PX - 1, TILE_PX - 1), _PAPER, 2)
    return np.asarray(tile, np.uint8)


def _corners(
    box: Box, width: int, height: int, left: float, top: float, scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    low = round((box.xmin * width - left) * scale), round((box.ymin * height - top) * scale)
    high = round((box.xmax * width - left) * scale), round((box.ymax * height - top) * scale)
    return low, high
