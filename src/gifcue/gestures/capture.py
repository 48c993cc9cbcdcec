"""Samples of hands from recordings, pictures and cameras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gifcue.detect.detector import Detector, Frame
from gifcue.detect.gesture_classifier import POINTS
from gifcue.detect.regions import DEFAULT_THRESHOLD, Region
from gifcue.gestures.samples import HandSample
from gifcue.media.files import (
    PICTURE_SUFFIXES,
    UnreadableMedia,
    find_pictures,
    open_frames,
    read_rgb,
    scale_to_fit,
)
from gifcue.media.filter import Pacer
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings


class SourceFrame(NamedTuple):
    """A frame of the analysis size, RGB, uint8 [H, W, 3], and its place: a file, or a recording and a time in it."""

    rgb: Frame
    place: str


class Capture(NamedTuple):
    """The samples, and the number of frames that were analysed, with or without a hand."""

    samples: list[HandSample]
    frames: int


def open_frames_of(source: str, fps: float) -> tuple[int | None, Iterable[SourceFrame]]:
    """Opens a source of frames.

    Args:
        source: a recording, a picture, a folder of pictures, or a camera (/dev/video0, avfoundation:0).
        fps: frames a second that are taken of recordings and cameras.

    Returns:
        The number of frames, or None where it is unknown, and the frames.

    Raises:
        UnreadableMedia: the source cannot be read, or is a folder without pictures. Damaged pictures and recordings
            raise it later, while frames are read.
    """
    path = Path(source)
    if path.is_dir():
        pictures = find_pictures(path)
        if not pictures:
            raise UnreadableMedia(f"{path}: expected pictures in this folder, got none")
        return len(pictures), (_picture(each, each.relative_to(path).as_posix()) for each in pictures)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return 1, [_picture(path, path.name)]
    return None, _recording(source, fps)


def capture(
    detector: Detector, frames: Iterable[SourceFrame], *, limit: int, every_hand: bool = False
) -> Capture:
    """Captures at most `limit` hands.

    Args:
        detector: finds the hands.
        frames: the frames, as of `open_frames_of`. No frame is read after the last sample.
        limit: maximum number of samples.
        every_hand: take all hands of a frame, and not only the largest, which usually is the one shown to the camera.
    """
    threshold = detector.info.thresholds.get("hand", DEFAULT_THRESHOLD)
    samples: list[HandSample] = []
    analysed = 0
    for frame in frames:
        analysed += 1
        height, width = frame.rgb.shape[:2]
        for hand in _hands(detector.detect([frame.rgb])[0], threshold, every_hand):
            samples.append(HandSample(np.asarray(hand.landmarks, np.float32), width / height, frame.place))
        if len(samples) >= limit:
            break
    return Capture(samples[:limit], analysed)


def _hands(regions: Sequence[Region], threshold: float, every_hand: bool) -> list[Region]:
    """The hands with landmarks whose score reaches the threshold: the largest, or all."""
    hands = [
        region
        for region in regions
        if region.kind == "hand"
        and region.score >= threshold
        and region.landmarks is not None
        and region.landmarks.shape == (POINTS, 3)
    ]
    return hands if every_hand or not hands else [max(hands, key=lambda hand: hand.box.area)]


def _picture(path: Path, place: str) -> SourceFrame:
    settings = MediaSettings()
    return SourceFrame(scale_to_fit(read_rgb(path), settings.long_side, settings.short_side), place)


def _recording(source: str, fps: float) -> Iterator[SourceFrame]:
    _, frames = open_frames(source)
    settings = MediaSettings()
    pacer, converter = Pacer(fps), Converter(settings.long_side, settings.short_side)
    for frame in frames:
        if pacer.is_due(frame.time):
            pacer.use(frame.time)
            yield SourceFrame(converter.array(frame), f"{Path(source).name}@{frame.time:.2f}")
