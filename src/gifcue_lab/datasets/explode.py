"""Writes the frames of a recording as pictures to be labelled, without similar ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gifcue.media.files import UnreadableMedia, open_frames
from gifcue.media.filter import FrameFilter
from gifcue.media.settings import FilterSettings
from gifcue.protocol.reasons import SkipReason
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import write_jpeg
from gifcue_lab.datasets.progress import Track, quiet

# Serving analyses a similar frame after a second at the latest. Labelling does not need it.
_MAX_AGE_S = 60.0


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
    try:
        total, frames = open_frames(recording)
        for frame in track(frames, f"exploding {recording.name}", total):
            decision = frame_filter.check(frame, frame.time)
            similar += decision.skip is SkipReason.SIMILAR
            if decision.skip is None:
                frame_filter.analysed(decision, frame.time)
                rgb = frame.to_ndarray(format="rgb24")
                write_jpeg(out / f"{recording.stem}-{round(frame.time * 1000):07d}.jpg", rgb)
                kept += 1
                if kept == limit:
                    break
    except UnreadableMedia as error:
        raise DatasetError(str(error)) from error
    return Exploded(kept, similar)
