"""Opens what a source names: a file, standard input, a session description, a URL or a camera."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import av
import av.error

from gifcue.errors import GifcueError, without_secrets
from gifcue.media.cameras import camera_of

STDIN = "-"
# Seconds that a URL or a session may take to answer, and between two packets.
URL_TIMEOUT_S = 15.0
_LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt")
# A session description lets FFmpeg open sockets, and nothing else.
_SDP_PROTOCOLS = "file,udp,rtp"


class SourceError(GifcueError):
    """A file, URL or device that cannot be opened, has no video to send, or cannot be read."""


def is_network(where: str) -> bool:
    """True for streams that come over a network when they are due: they can be lost, and opened again."""
    scheme, colon, _ = where.partition("://")
    return where.lower().endswith(".sdp") or (bool(colon) and scheme.lower() in _LIVE_SCHEMES)


def is_live(where: str) -> bool:
    """True for cameras, and for streams whose packets come when they are due."""
    return camera_of(where) is not None or is_network(where)


def shown(where: str) -> str:
    """`where` for messages: standard input by name, and a URL without its secrets."""
    return "standard input" if where == STDIN else without_secrets(where)


def open_container(where: str) -> Any:
    """FFmpeg's container.

    Raises:
        SourceError: it cannot be opened.
    """
    camera = camera_of(where)
    try:
        if camera is not None:
            return av.open(camera[1], format=camera[0])
        if where == STDIN:
            return av.open(_Pipe(sys.stdin.buffer))
        if "://" in where:
            # Over UDP, a busy router loses packets of large keyframes.
            options = {"rtsp_transport": "tcp"} if where.lower().startswith("rtsp") else {}
            return av.open(where, options=options, timeout=URL_TIMEOUT_S)
        if is_network(where):
            return av.open(where, options={"protocol_whitelist": _SDP_PROTOCOLS}, timeout=URL_TIMEOUT_S)
        return av.open(where)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        what = "a camera" if camera is not None else "a media file, URL or camera"
        if where == STDIN:
            what = "a container that needs no seeking, such as Matroska, MPEG-TS or fragmented mp4,"
        raise SourceError(f"expected {what} at {shown(where)}, got: {reason(error)}") from error


def video_of(container: Any, where: str, track: int = 1) -> Any:
    """The video track with the number `track`, counted from 1.

    Raises:
        SourceError: there is none.
    """
    # The cover picture of a music file is a video stream, too.
    tracks = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not tracks:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise SourceError(f"expected a video stream in {shown(where)}, got {kinds}")
    if track > len(tracks):
        raise SourceError(
            f"--track: expected a video track of 1 to {len(tracks)} in {shown(where)}, got {track}"
        )
    return tracks[track - 1]


def reason(error: BaseException) -> str:
    """An error of FFmpeg or the system, for a message."""
    return str(getattr(error, "strerror", None) or error)


class _Pipe:
    """Only `read`, so that FFmpeg does not seek. It returns the bytes that have arrived and waits for no more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        read = getattr(self._stream, "read1", self._stream.read)
        data: bytes = read(size)
        return data
