"""The names of cameras."""

from __future__ import annotations

# FFmpeg's input formats of cameras: Linux, macOS, Windows.
_FORMATS = ("v4l2", "avfoundation", "dshow")


def camera_of(where: str) -> tuple[str, str] | None:
    """FFmpeg's input format and the device's name; None where `where` names no camera.

    Cameras are named "/dev/video0", "avfoundation:0" or "dshow:video=NAME".
    """
    if where.startswith("/dev/"):
        return "v4l2", where
    name, colon, device = where.partition(":")
    if colon and name in _FORMATS:
        return name, device
    return None
