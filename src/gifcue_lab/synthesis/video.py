"""Reads a real clip by time.

In: a video file and times in seconds. Out: frames, uint8 RGB [H, W, 3].
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.training.samples import Image


class VideoReader:
    """The frames of a clip by time. A time before the last one decodes the clip again.

    Raises:
        DatasetError: from `at`, if the clip cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: Iterator[tuple[float, Image]] = iter(())
        self._shown: tuple[float, Image] | None = None
        self._next: tuple[float, Image] | None = None

    def at(self, at_s: float) -> Image:
        """The frame that is visible at a time, uint8 RGB [H, W, 3]; after the end, the last one."""
        if self._shown is None or at_s < self._shown[0]:
            self._frames = self._decode()
            self._shown, self._next = next(self._frames, None), next(self._frames, None)
            if self._shown is None:
                raise DatasetError(f"{self._path}: expected video, got no frame")
        while self._next is not None and self._next[0] <= at_s + 1e-6:
            self._shown, self._next = self._next, next(self._frames, None)
        return self._shown[1]

    def _decode(self) -> Iterator[tuple[float, Image]]:
        try:
            with av.open(str(self._path)) as container:
                stream = container.streams.video[0]
                stream.thread_count = 1
                first_s: float | None = None
                for frame in container.decode(stream):
                    at_s = float(frame.time)
                    first_s = at_s if first_s is None else first_s
                    yield at_s - first_s, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        except (av.error.FFmpegError, IndexError) as error:
            raise DatasetError(f"{self._path}: expected video, got: {error}") from None
