"""Measures what the similar-frame filter skips of a clip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error

from gifcue.errors import MediaError
from gifcue.media.decoder import limit_ffmpeg_log
from gifcue.media.filter import FrameFilter
from gifcue.media.settings import MediaSettings
from gifcue.protocol.reasons import DropReason, SkipReason

# Frames a second: no clip has more, so that pacing passes every frame.
UNPACED_FPS = 10_000.0
# Frames a second of a bare bitstream, which has no timestamps.
UNTIMED_FPS = 25.0


@dataclass(frozen=True, slots=True)
class FilterReport:
    """Counts of frames: `skipped` as similar, `paced` as over the analysis rate, `analysed` the rest.

    `width` and `height` are pixels of the last frame. `seconds` lie between the first and the last frame.
    """

    frames: int
    analysed: int
    skipped: int
    paced: int
    share_skipped: float
    decode_ms_per_frame: float
    filter_ms_per_frame: float
    metric: str
    threshold: float
    width: int
    height: int
    seconds: float


def report(
    path: str | Path,
    settings: MediaSettings | None = None,
    *,
    paced: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> FilterReport:
    """Decodes a clip and passes each frame to the filter; with `paced` at most `max_analysis_fps` frames a second.

    Raises:
        MediaError: the file cannot be read, or holds no video.
    """
    settings = settings or MediaSettings()
    limit_ffmpeg_log()
    frame_filter = FrameFilter(settings.filter, settings.max_analysis_fps if paced else UNPACED_FPS)
    counts = {SkipReason.SIMILAR: 0, SkipReason.PACED: 0, None: 0}
    decode_s = filter_s = 0.0
    first_s = last_s = None
    width = height = 0
    frames = _frames(path, settings.max_pixels)
    while True:
        started_s = clock()
        frame = next(frames, None)
        decoded_s = clock()
        decode_s += decoded_s - started_s
        if frame is None:
            break
        at_s = frame.time if frame.time is not None else sum(counts.values()) / UNTIMED_FPS
        decision = frame_filter.check(frame, at_s)
        if decision.skip is None:
            frame_filter.analysed(decision, at_s)
        filter_s += clock() - decoded_s
        counts[decision.skip] += 1
        width, height = frame.width, frame.height
        first_s = at_s if first_s is None else first_s
        last_s = at_s
    total = sum(counts.values())
    if not total or first_s is None or last_s is None:
        raise MediaError(DropReason.INVALID_DATA, f"expected a clip with video frames, got none in {path}")
    return FilterReport(
        frames=total,
        analysed=counts[None],
        skipped=counts[SkipReason.SIMILAR],
        paced=counts[SkipReason.PACED],
        share_skipped=counts[SkipReason.SIMILAR] / total,
        decode_ms_per_frame=decode_s * 1e3 / total,
        filter_ms_per_frame=filter_s * 1e3 / total,
        metric=settings.filter.metric.value,
        threshold=settings.filter.similarity_threshold,
        width=width,
        height=height,
        seconds=last_s - first_s,
    )


def _frames(path: str | Path, max_pixels: int) -> Iterator[Any]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(DropReason.INVALID_DATA, f"expected a clip with video, got none in {path}")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
            stream.codec_context.options = {"max_pixels": str(max_pixels)}
            yield from container.decode(stream)
    except (av.error.FFmpegError, OSError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise MediaError(DropReason.INVALID_DATA, f"expected a clip, got {path}: {detail}") from error
