"""Frame accounting: the outcome of every frame of one participant.

received = analysed + sum(skipped) + sum(dropped) + in flight, at any moment and exactly. In flight is not computed from
the other figures: it has a counter of its own, which follows each frame's stage, so that the equation can be checked
rather than assumed.
"""

from __future__ import annotations

from collections import Counter

from gifcue.media.frame import FrameInFlight, Stage
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason, SkipReason


class FrameAccounting:
    """Counts one participant's frames, and moves each from stage to stage so that it ends exactly once."""

    def __init__(self) -> None:
        self._received = 0
        self._analysed = 0
        self._skipped: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._in_flight = 0
        self._detecting = 0

    def refuse(self, reason: DropReason) -> None:
        """A frame arrived and is dropped before it reaches a decoder."""
        self._received += 1
        self._dropped[reason.value] += 1

    def open(self, frame: FrameInFlight) -> None:
        """A frame arrived and goes to a decoder.

        Raises:
            ValueError: it is counted already.
        """
        if frame.stage is not Stage.ADMITTED:
            raise ValueError(f"expected a frame that is not counted yet, got one that is {frame.stage}")
        frame.stage = Stage.DECODING
        self._received += 1
        self._in_flight += 1

    def decoded(self, frame: FrameInFlight) -> None:
        """The frame's picture goes to the detectors.

        Raises:
            ValueError: the frame is not with a decoder.
        """
        if frame.stage is not Stage.DECODING:
            raise ValueError(f"expected a frame that is decoding, got one that is {frame.stage}")
        frame.stage = Stage.DETECTING
        self._detecting += 1

    def analysed(self, frame: FrameInFlight) -> None:
        """A detector analysed the frame. Raises ValueError where it is not in flight."""
        self._end(frame)
        self._analysed += 1

    def skip(self, frame: FrameInFlight, reason: SkipReason) -> None:
        """The frame needed no analysis. Raises ValueError where it is not in flight."""
        self._end(frame)
        self._skipped[reason.value] += 1

    def drop(self, frame: FrameInFlight, reason: DropReason) -> None:
        """The frame is lost to analysis. Raises ValueError where it is not in flight."""
        self._end(frame)
        self._dropped[reason.value] += 1

    @property
    def is_idle(self) -> bool:
        """True while no frame is in flight."""
        return self._in_flight == 0

    @property
    def is_detecting(self) -> bool:
        """True while a picture waits for a detector, or is with one."""
        return self._detecting > 0

    def statistics(self) -> FrameCounts:
        """The counts as they stand."""
        return FrameCounts(
            self._received, self._analysed, dict(self._skipped), dict(self._dropped), self._in_flight
        )

    def _end(self, frame: FrameInFlight) -> None:
        stage = frame.stage
        if stage is Stage.DETECTING:
            self._detecting -= 1
        elif stage is not Stage.DECODING:
            raise ValueError(f"expected a frame in flight, got one that is {stage}")
        frame.stage = Stage.ENDED
        self._in_flight -= 1
