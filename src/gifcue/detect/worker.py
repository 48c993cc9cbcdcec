"""The detector worker: one process, one detector, one batch at a time.

Pixels are read in place, from the arenas of streams and of stills, which are mapped read-only. The front does not reuse
a slot before its batch is answered.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from gifcue.detect.detector import Detector, DetectorConfig, Frame
from gifcue.detect.factory import open_detector
from gifcue.detect.messages import (
    AskReport,
    Batch,
    BatchResult,
    FoundRegion,
    InlinePicture,
    RemoteReport,
    SlotPicture,
    StillPicture,
    UseGestures,
    pack,
    unpack_gestures,
)
from gifcue.workers.arena import ARENA_FD, Arena, ArenaShape
from gifcue.workers.channel import BlockingChannel, serve
from gifcue.workers.messages import bounded

# The name under which the file descriptor of the arena of stills is handed down.
STILLS_FD = "stills"

Opener = Callable[[DetectorConfig], Detector]

logger = logging.getLogger(__name__)


@runtime_checkable
class Reporting(Protocol):
    """What a detector has besides where inference servers run its networks."""

    def report(self) -> RemoteReport:
        """What it asked of them since its last report."""


class WorkerInit(NamedTuple):
    """What a worker is started with; the arenas come as the file descriptors `ARENA_FD` and `STILLS_FD`."""

    config: DetectorConfig
    arena: ArenaShape
    stills: ArenaShape


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    run(channel, init, fds, open_detector)


def run(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int], opener: Opener) -> None:
    """Opens and warms the detector, says that it is ready, and answers batches until the channel ends.

    Raises:
        ModelError: the model is missing, damaged or of another shape.
        ConfigError: the backend is not installed.
    """
    arena = Arena.attach(fds[ARENA_FD], init.arena)
    stills = Arena.attach(fds[STILLS_FD], init.stills)
    detector = opener(init.config)
    try:
        detector.warm()
        channel.ready(detector.info)
        serve(channel, lambda message: _handle(channel, detector, arena, stills, message))
    finally:
        detector.close()
        arena.close()
        stills.close()


def _handle(
    channel: BlockingChannel,
    detector: Detector,
    arena: Arena,
    stills: Arena,
    message: Batch | UseGestures | AskReport,
) -> None:
    if isinstance(message, UseGestures):
        detector.use_gestures(unpack_gestures(message))
    elif isinstance(message, AskReport):
        if isinstance(detector, Reporting):
            channel.send(detector.report())
    else:
        channel.send(detect_batch(detector, arena, message, stills))


def detect_batch(detector: Detector, arena: Arena, batch: Batch, stills: Arena | None = None) -> BatchResult:
    """Runs the detector on a batch. A picture on which the detector fails does not lose the others.

    Raises what `Detector.warm` raises where the detector fails on every picture and on its warm-up: then only a new
    process helps, as for a GPU that is out of memory.
    """
    results: list[list[FoundRegion] | str] = []
    frames: list[Frame | None] = []
    for picture in batch.pictures:
        try:
            frames.append(view(arena, picture, stills))
        except (ValueError, IndexError) as error:
            frames.append(None)
            results.append(bounded(str(error)))
        else:
            results.append([])
    places = [place for place, frame in enumerate(frames) if frame is not None]
    started = time.perf_counter()
    answers = _detect(
        detector,
        [frame for frame in frames if frame is not None],
        [_wants_landmarks(batch.pictures[place]) for place in places],
    )
    infer_ms = (time.perf_counter() - started) * 1000.0
    for place, answer in zip(places, answers, strict=True):
        results[place] = answer
    if places and all(isinstance(answer, str) for answer in answers):
        detector.warm()
    return BatchResult(batch.number, tuple(results), infer_ms)


def view(
    arena: Arena, picture: SlotPicture | StillPicture | InlinePicture, stills: Arena | None = None
) -> Frame:
    """The pixels as uint8 [height, width, 3], read-only, not copied.

    Raises ValueError or IndexError where the arena or the message has no such picture.
    """
    if isinstance(picture, InlinePicture):
        memory = memoryview(picture.rgb)
    elif isinstance(picture, SlotPicture):
        memory = arena.slot(picture.slot)
    elif stills is not None:
        memory = stills.slot(picture.slot)
    else:
        raise ValueError("expected an arena of stills, got none")
    size = picture.width * picture.height * 3
    if picture.width < 1 or picture.height < 1 or size > len(memory):
        raise ValueError(
            f"expected a picture of 1 to {len(memory)} bytes, got {picture.width}x{picture.height} pixels RGB"
        )
    flat: Frame = np.frombuffer(memory, dtype=np.uint8, count=size)
    return flat.reshape(picture.height, picture.width, 3)


def _wants_landmarks(picture: SlotPicture | StillPicture | InlinePicture) -> bool:
    return isinstance(picture, SlotPicture) and picture.landmarks


def _detect(
    detector: Detector, frames: Sequence[Frame], landmarks: Sequence[bool]
) -> list[list[FoundRegion] | str]:
    if not frames:
        return []
    try:
        regions = detector.detect(frames)
        if len(regions) != len(frames):
            raise ValueError(f"expected the regions of {len(frames)} frames, got those of {len(regions)}")
        return [pack(found, landmarks=wanted) for found, wanted in zip(regions, landmarks, strict=True)]
    except Exception as error:
        _log_once()
        if len(frames) == 1:
            return [bounded(f"{type(error).__name__}: {error}")]
    return [
        answer
        for frame, wanted in zip(frames, landmarks, strict=True)
        for answer in _detect(detector, [frame], [wanted])
    ]


@functools.cache
def _log_once() -> None:
    """Logs a trace once a process. The front gets the message of each failure; a trace for each would flood the log."""
    logger.exception("the detector failed on a picture; the next failures are reported without a trace")
