"""Writes the frames of a recording as pictures to be labelled, without similar ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error

from gifcue.media.decoder import quiet as silence
from gifcue.media.filter import FrameFilter
from gifcue.media.settings import FilterSettings
from gifcue.protocol.reasons import SkipReason
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import write_jpeg
from gifcue_lab.datasets.progress import Track, quiet

# Serving analyses a similar frame after a second at the latest. Labelling does not need it.
_MAX_AGE_S = 60.0
_CAMERAS = ("v4l2", "avfoundation", "dshow")


@dataclass(frozen=True)
class Exploded:
    """Numbers of frames written, and of frames skipped because they are similar to the last one written."""

    kept: int
    similar: int


def explode(
    recording: Path,
    out: Path,
    *,
    fps: float = 5.0,
    similarity: float | None = None,
    limit: int | None = None,
    track: Track = quiet,
) -> Exploded:
    """Write frames as `out/<recording>-<milliseconds>.jpg`, at their own size.

    `fps` frames a second are looked at, and one is left out where its least similar tile is this similar
    (0..1) to the last one written; unset, the threshold is that of serving. Raises `DatasetError` when the
    file is no video or cannot be read to its end; what was written until then stays.
    """
    frame_filter = FrameFilter(FilterSettings(threshold=similarity, max_age_s=_MAX_AGE_S), fps)
    out.mkdir(parents=True, exist_ok=True)
    kept = similar = 0
    total, frames = open_frames(recording)
    for frame in track(frames, f"exploding {recording.name}", total):
        decision = frame_filter.judge(frame, frame.time)
        similar += decision.skip is SkipReason.SIMILAR
        if decision.skip is None:
            frame_filter.analysed(decision, frame.time)
            rgb = frame.to_ndarray(format="rgb24")
            write_jpeg(out / f"{recording.stem}-{round(frame.time * 1000):07d}.jpg", rgb)
            kept += 1
            if kept == limit:
                break
    return Exploded(kept, similar)


def open_frames(recording: str | Path) -> tuple[int | None, Iterator[Any]]:
    """How many frames a video says it has, if it does, and its frames as PyAV has them, each with a time.

    A camera is named as for `gifcue stream`: /dev/video0, avfoundation:0, dshow:video=….
    Raises `DatasetError` when it is no video, at once or while it is read.
    """
    silence()
    where, device = str(recording), None
    name, colon, rest = where.partition(":")
    if where.startswith("/dev/"):
        device = "v4l2"
    elif colon and name in _CAMERAS:
        device, where = name, rest
    try:
        container = av.open(where, format=device)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DatasetError(f"{recording}: expected a video, got {type(error).__name__}: {error}") from error
    if not container.streams.video:
        container.close()
        raise DatasetError(f"{recording}: expected a video, got a file without one")
    return container.streams.video[0].frames or None, _frames(container, recording)


def _frames(container: Any, recording: str | Path) -> Iterator[Any]:
    stream = container.streams.video[0]
    # One thread: PyAV's default takes every core of a machine that may be training.
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    with container:
        try:
            yield from (frame for frame in container.decode(stream) if frame.time is not None)
        except (av.error.FFmpegError, av.error.EOFError) as error:
            raise DatasetError(f"{recording}: expected sound video to its end, got {error}") from error
