"""Draws boxes on a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gifcue.client import AnnotatedImage
from gifcue.errors import GifcueError

# BGR. A label's colour follows from its position in the model's labels.
COLOURS = [(80, 200, 80), (60, 160, 255), (230, 160, 60), (200, 90, 220), (60, 220, 230), (90, 90, 240)]


def save_boxes(picture: bytes, image: AnnotatedImage, target: Path) -> None:
    """Writes `picture` with the boxes, labels and scores found on it.

    Raises:
        GifcueError: `picture` cannot be decoded, or `target` cannot be written.
    """
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise GifcueError("expected a JPEG or PNG that can be drawn on, got something else")
    height, width = pixels.shape[:2]
    thickness = max(1, round(min(width, height) / 240))
    scale = min(width, height) / 720 + 0.2
    labels = image.model.labels
    # Lowest score first, so that the highest is drawn on top.
    for found in reversed(image.annotations):
        colour = COLOURS[labels.index(found.label) % len(COLOURS)] if found.label in labels else COLOURS[0]
        box = found.box
        corner = (round(box.xmin * width), round(box.ymin * height))
        cv2.rectangle(pixels, corner, (round(box.xmax * width), round(box.ymax * height)), colour, thickness)
        text = f"{found.label} {found.score:.2f}"
        (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        left = max(0, min(corner[0], width - text_width))
        top = max(corner[1], text_height + below)
        cv2.rectangle(pixels, (left, top - text_height - below), (left + text_width, top), colour, cv2.FILLED)
        cv2.putText(
            pixels,
            text,
            (left, top - below // 2),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (0, 0, 0),
            thickness,
            cv2.LINE_AA,
        )
    encoded, data = cv2.imencode(target.suffix.lower(), pixels)
    try:
        if not encoded:
            raise GifcueError(f"expected a picture format that can be written, got {target.suffix}")
        target.write_bytes(data.tobytes())
    except OSError as error:
        raise GifcueError(f"expected to write {target}, got: {error.strerror}") from error
