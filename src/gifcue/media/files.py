"""Decoded pictures and recordings, from files and cameras.

Used by commands that read pictures in their own process. The server decodes in `gifcue.media.worker` instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from gifcue.errors import GifcueError
from gifcue.media.cameras import camera_of
from gifcue.media.decoder import limit_ffmpeg_log
from gifcue.media.picture import fit

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class UnreadableMedia(GifcueError):
    """A picture, a recording, a folder of pictures or a camera cannot be read. The message names it."""


def find_pictures(root: Path) -> list[Path]:
    """All picture files under a folder, by their suffix, sorted by path.

    Raises:
        UnreadableMedia: there is no such folder.
    """
    if not root.is_dir():
        raise UnreadableMedia(f"{root}: expected a directory with pictures, got none")
    return sorted(p for p in root.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """The picture in a file, as of `decode_rgb`.

    Raises:
        UnreadableMedia: the file cannot be read, or is no picture.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(f"{path}: expected a picture, got {error}") from error
    return decode_rgb(encoded, str(path))


def decode_rgb(encoded: bytes, name: str = "picture") -> NDArray[np.uint8]:
    """Decodes a picture file to RGB, uint8 [height, width, 3]; `name` is used in messages.

    Pixels are returned as stored, without applying the EXIF orientation, because labels are drawn on stored pixels.

    Raises:
        UnreadableMedia: the bytes are no picture.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags) if encoded else None
    if picture is None:
        raise UnreadableMedia(f"{name}: expected a picture, got {len(encoded)} bytes that are none")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def scale_to_fit(rgb: NDArray[np.uint8], long_side: int, short_side: int) -> NDArray[np.uint8]:
    """A picture [height, width, 3] scaled down to fit `long_side x short_side` pixels, in either orientation.

    A picture that fits is returned unchanged.
    """
    height, width = rgb.shape[:2]
    size = fit(width, height, long_side, short_side)
    if size == (width, height):
        return rgb
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def open_frames(where: str | Path) -> tuple[int | None, Iterator[Any]]:
    """Opens a recording or a camera (`gifcue.media.cameras`) and decodes it.

    Returns:
        The number of frames that the file states, or None, and the frames. Frames are PyAV's, each with a time.

    Raises:
        UnreadableMedia: it is no video. Damage raises it later, while frames are read.
    """
    limit_ffmpeg_log()
    camera = camera_of(str(where))
    try:
        container = av.open(str(where)) if camera is None else av.open(camera[1], format=camera[0])
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableMedia(f"{where}: expected a video, got {type(error).__name__}: {error}") from error
    if not container.streams.video:
        container.close()
        raise UnreadableMedia(f"{where}: expected a video, got a file without one")
    return container.streams.video[0].frames or None, _frames(container, where)


def _frames(container: Any, where: str | Path) -> Iterator[Any]:
    stream = container.streams.video[0]
    # One thread: PyAV's default uses every core, and the detector runs on this machine as well.
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    with container:
        try:
            yield from (frame for frame in container.decode(stream) if frame.time is not None)
        except (av.error.FFmpegError, av.error.EOFError) as error:
            raise UnreadableMedia(f"{where}: expected sound video to its end, got {error}") from error
