"""Hands out of clips, folders of pictures and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gifcue.detect.detector import Detector, Frame
from gifcue.detect.gesture_classifier import POINTS
from gifcue.detect.regions import DEFAULT_THRESHOLD, Region
from gifcue.gestures.samples import HandSample
from gifcue.media.filter import Pacer
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.explode import open_frames
from gifcue_lab.datasets.pictures import SUFFIXES, decode_rgb, find_pictures
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.run import fit_for_analysis


class Seen(NamedTuple):
    """One frame, RGB of the analysis size, and where it comes from."""

    frame: Frame
    source: str


class Captured(NamedTuple):
    """The samples, and how many frames were looked at: those without a hand give none."""

    samples: list[HandSample]
    frames: int


def capture(
    detector: Detector,
    source: str,
    *,
    limit: int,
    fps: float = 4.0,
    every_hand: bool = False,
    track: Track = quiet,
) -> Captured:
    """The hands in a clip, a picture, a folder of pictures, or a camera (/dev/video0, avfoundation:0), at most `limit`.

    Of each frame the largest hand is taken, as a gesture is shown to the camera; all of them if `every_hand`.
    Raises `DatasetError` when the source cannot be read.
    """
    threshold = detector.info.thresholds.get("hand", DEFAULT_THRESHOLD)
    samples: list[HandSample] = []
    looked = 0
    total, frames = frames_of(source, fps)
    for seen in track(frames, f"capturing from {source}", total):
        looked += 1
        height, width = seen.frame.shape[:2]
        for hand in hands_in(detector.detect([seen.frame])[0], threshold, every_hand):
            assert hand.landmarks is not None
            samples.append(HandSample(np.asarray(hand.landmarks, np.float32), width / height, seen.source))
        if len(samples) >= limit:
            break
    return Captured(samples[:limit], looked)


def hands_in(regions: list[Region], threshold: float, every_hand: bool) -> list[Region]:
    """The hands that have landmarks and reach the threshold: the largest, or all."""
    hands = [
        region
        for region in regions
        if region.kind == "hand"
        and region.score >= threshold
        and region.landmarks is not None
        and region.landmarks.shape == (POINTS, 3)
    ]
    return hands if every_hand or not hands else [max(hands, key=lambda hand: hand.box.area)]


def frames_of(source: str, fps: float) -> tuple[int | None, Iterator[Seen]]:
    """How many frames there are, if known, and the frames. Raises `DatasetError` when the source cannot be read."""
    path = Path(source)
    if path.is_dir():
        pictures = find_pictures(path)
        if not pictures:
            raise DatasetError(f"{path}: expected pictures in this folder, got none")
        return len(pictures), (_picture(each, each.relative_to(path).as_posix()) for each in pictures)
    if path.suffix.lower() in SUFFIXES:
        return 1, iter([_picture(path, path.name)])
    return None, _video(source, fps)


def _picture(path: Path, name: str) -> Seen:
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: expected a picture, got {error}") from error
    return Seen(fit_for_analysis(decode_rgb(encoded, str(path))), name)


def _video(source: str, fps: float) -> Iterator[Seen]:
    _, frames = open_frames(source)
    settings = MediaSettings()
    pacer, converter = Pacer(fps), Converter(settings.long_side, settings.short_side)
    for frame in frames:
        if pacer.is_due(frame.time):
            pacer.use(frame.time)
            yield Seen(converter.array(frame), f"{Path(source).name}@{frame.time:.2f}")
