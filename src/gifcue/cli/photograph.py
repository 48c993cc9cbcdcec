"""Makes a large photograph small enough for a server, before it is sent."""

from __future__ import annotations

import cv2
import numpy as np

# A server analyses stills at this many pixels of their long side, so that a larger one shows it nothing more.
LONG_SIDE = 1280
_JPEG_QUALITY = 95


def fitted(content: bytes) -> bytes:
    """The picture with at most `LONG_SIDE` pixels, upright, as JPEG.

    What cannot be decoded is returned as it is: the server says what is wrong with it.
    """
    # Applies the orientation of EXIF, which is not in the new file.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        return content
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
