"""Who follows the frames of which participant through the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from gifcue.detect.regions import Region
from gifcue.media.frame import FrameInFlight
from gifcue.media.overload import Relief
from gifcue.media.suspects import Incident
from gifcue.protocol.reasons import DropReason, SkipReason


class FrameListener(Protocol):
    """Follows one participant's frames. Each submitted frame ends with one of `skipped`, `judged` and `dropped`."""

    def decoded(self, frame: FrameInFlight) -> None:
        """The frame's picture lies in a slot and now waits for a detector."""

    def skipped(self, frame: FrameInFlight, reason: SkipReason) -> None:
        """The frame needs no analysis."""

    def judged(self, frame: FrameInFlight, regions: Sequence[Region]) -> None:
        """A detector found these regions in the frame."""

    def dropped(
        self, frame: FrameInFlight, reason: DropReason, message: str, *, needs_keyframe: bool
    ) -> None:
        """The frame is lost to analysis; `needs_keyframe`: so is everything up to the next keyframe."""

    def suspected(self, incident: Incident) -> None:
        """A unit of this participant killed a decode worker, hung in it, or took too much CPU time. Comes before the
        frame's outcome.
        """

    def decoder_lost(self) -> None:
        """The worker that held the decoder is gone. A new one is ready, starts at a keyframe, and is not paused."""

    def slow_down(self) -> None:
        """The decoder has more to do than it can in time."""

    def pause(self) -> None:
        """As long as the decoder has more to do than it can in time, it has no time for this participant."""

    def resume(self) -> None:
        """It has time again."""


class FrameListeners:
    """Those of one pipeline, by the key of their participant."""

    def __init__(self) -> None:
        self._listeners: dict[int, FrameListener] = {}

    def __getitem__(self, key: int) -> FrameListener:
        return self._listeners[key]

    def add(self, key: int, listener: FrameListener) -> None:
        """Follows a participant from now on."""
        self._listeners[key] = listener

    def remove(self, key: int) -> None:
        """The last frame of a participant that left has ended: its listener is not called again."""
        del self._listeners[key]

    def decoder_lost(self, keys: Iterable[int]) -> None:
        """These have a new decoder, which awaits a keyframe."""
        for listener in self._present(keys):
            listener.decoder_lost()

    def relieve(self, relief: Relief) -> None:
        """A decode worker has more to decode than it can in time, or that is over."""
        for listener in self._present(relief.slow_down):
            listener.slow_down()
        for listener in self._present(relief.pause):
            listener.pause()
        for listener in self._present(relief.resume):
            listener.resume()

    def _present(self, keys: Iterable[int]) -> list[FrameListener]:
        return [self._listeners[key] for key in keys if key in self._listeners]
