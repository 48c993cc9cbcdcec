"""A detector for tests of pools and workers. The first byte of a picture says what it does.

HOLD    waits until the byte in the arena changes
DIE     kills its process
RAISE   raises on this picture
other   finds one face, whose score is the byte / 255 and whose attribute `batch` is the size of the batch
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence

from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.detect.worker import WorkerInit, run
from gifcue.errors import ModelError
from gifcue.protocol.geometry import Box
from gifcue.workers.channel import BlockingChannel

HOLD = 251
DIE = 252
RAISE = 253

INFO = ServedModel("fake", "1", "fake", ("face",), {"face": 0.5}, 64, 64)


class FakeDetector:
    """Described in the module. A model folder with the name `missing` cannot be opened."""

    info = INFO

    def __init__(self, config: DetectorConfig) -> None:
        if config.model_dir.name == "missing":
            raise ModelError(f"{config.model_dir}: expected a model, got none")

    def warm(self) -> None:
        pass

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        pass

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [[self._find(frame, len(frames))] for frame in frames]

    def close(self) -> None:
        pass

    @staticmethod
    def _find(frame: Frame, batch: int) -> Region:
        while frame[0, 0, 0] == HOLD:
            # In a child process: shared memory has no event to wait on. The wait ends when the test changes the byte
            # or kills the process. No test measures this time. It is so long that the process uses next to no CPU time:
            # one that computes does not count as stuck.
            time.sleep(0.05)
        value = int(frame[0, 0, 0])
        if value == DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        if value == RAISE:
            raise RuntimeError("told to")
        return Region("face", Box(0.0, 0.0, 1.0, 1.0), value / 255.0, {"batch": float(batch)})


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    run(channel, init, fds, FakeDetector)
