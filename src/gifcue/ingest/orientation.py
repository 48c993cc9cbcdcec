"""How the pictures of a file must be turned to be upright: its display matrix, or the EXIF orientation of a JPEG."""

from __future__ import annotations

from typing import Any

import av.error


def rotation_of(packet: Any) -> int:
    """Degrees clockwise, 0, 90, 180 or 270, that bring the picture of a keyframe upright; 0 where nothing says so.

    `packet` is one of PyAV that a demuxer returned. FFmpeg tells the orientation with the decoded picture only, so that
    this decodes it, with the packet's own stream. Mirrored pictures stay mirrored.
    """
    context = packet.stream.codec_context
    if not context.is_open:
        # Frame threads hang when they are ended, and one picture needs none.
        context.thread_count = 1
        context.thread_type = "NONE"
    try:
        # A decoder that reorders holds the picture back until it is told that no other follows.
        frames = packet.decode() or context.decode(None)
    except (av.error.FFmpegError, EOFError, ValueError):
        return 0
    # FFmpeg counts the angle anticlockwise.
    angle = -round(frames[0].rotation) % 360 if frames else 0
    return angle if angle % 90 == 0 else 0
