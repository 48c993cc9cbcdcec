"""Which decoded frames are analysed: pacing, then the similar-frame filter, by the sender's clock."""

from __future__ import annotations

from typing import Any, NamedTuple

from gifcue.media.settings import FilterSettings
from gifcue.media.similarity import Comparer, Signature
from gifcue.protocol.reasons import SkipReason

# A clock that goes back by more than this was reset; B-frames and jitter go back by less.
CLOCK_RESET_S = 1.0
# Frames are rarely spaced exactly: one that is early by this share of an interval is due.
PACE_SLACK = 0.1

NOT_COMPARED = -1.0


class Pacer:
    """Lets `max_fps` frames a second through, over their own pts. All frames of a slower stream pass."""

    def __init__(self, max_fps: float) -> None:
        self._interval_s = 1.0 / max_fps
        self._due_s: float | None = None

    def pace(self, max_fps: float) -> None:
        """Sets another `max_fps`."""
        interval_s = 1.0 / max_fps
        if self._due_s is not None:
            # A new interval counts from the last frame used, not from the one after it.
            self._due_s += interval_s - self._interval_s
        self._interval_s = interval_s

    def is_due(self, pts_s: float) -> bool:
        """True where a frame of this time is wanted. Changes nothing; `use` does."""
        if self._due_s is None or pts_s < self._due_s - self._interval_s - CLOCK_RESET_S:
            return True
        return pts_s >= self._due_s - PACE_SLACK * self._interval_s

    def use(self, pts_s: float) -> None:
        """A frame of this time is used."""
        if self._due_s is None or abs(pts_s - self._due_s) > self._interval_s:
            self._due_s = pts_s + self._interval_s
        else:
            # From the time it was due, so that 30 frames a second paced to 10 give 10 and not 9.
            self._due_s += self._interval_s


class FilterDecision(NamedTuple):
    """`skip` tells why no analysis is needed, if so; `similarity` is 0..1 or `NOT_COMPARED`."""

    skip: SkipReason | None
    similarity: float
    signature: Signature | None


class FrameFilter:
    """One participant's filter. The reference is the picture last *analysed*: slow drift adds up against it.

    decision = filter.check(frame, pts_s)     # changes nothing
    filter.analysed(decision, pts_s)          # the picture goes to a detector
    filter.forget()                           # it was not analysed in the end
    """

    def __init__(self, settings: FilterSettings, max_fps: float, comparer: Comparer | None = None) -> None:
        """`comparer` may be shared by filters of one thread and of the same settings: it is large and stateless."""
        self._settings = settings
        self._threshold = settings.similarity_threshold
        self._comparer = comparer or Comparer(settings.metric)
        self._pacer = Pacer(max_fps)
        self._max_fps = self._paced_fps = max_fps
        self._reference: Signature | None = None
        self._reference_s = 0.0
        self._holding = False

    @property
    def holding(self) -> bool:
        """True while a hold runs: no frame is skipped as similar then, and an overload does not lower the rate."""
        return self._holding

    @holding.setter
    def holding(self, holding: bool) -> None:
        self._holding = holding
        self._apply_pace()

    def pace(self, fps: float) -> None:
        """Sets the most frames a second, up to the number in the settings. Applies while no hold runs."""
        self._paced_fps = min(fps, self._max_fps)
        self._apply_pace()

    def _apply_pace(self) -> None:
        self._pacer.pace(self._max_fps if self._holding else self._paced_fps)

    def check(self, frame: Any, pts_s: float) -> FilterDecision:
        """Decides whether a frame is analysed. Changes nothing but the pace of frames that are similar."""
        if not self._pacer.is_due(pts_s):
            return FilterDecision(SkipReason.PACED, NOT_COMPARED, None)
        if not self._settings.enabled:
            return FilterDecision(None, NOT_COMPARED, None)
        signature = self._comparer.signature(frame)
        if self._reference is None:
            return FilterDecision(None, NOT_COMPARED, signature)
        similarity = self._comparer.similarity(self._reference, signature)
        age_s = pts_s - self._reference_s
        if (
            similarity < self._threshold
            or self._holding
            or age_s >= self._settings.max_age_s
            or age_s < -CLOCK_RESET_S
        ):
            return FilterDecision(None, similarity, signature)
        self._pacer.use(pts_s)
        return FilterDecision(SkipReason.SIMILAR, similarity, signature)

    def analysed(self, decision: FilterDecision, pts_s: float) -> None:
        """The frame of this decision goes to a detector: later frames are compared with it."""
        self._pacer.use(pts_s)
        self._reference = decision.signature
        self._reference_s = pts_s

    def forget(self) -> None:
        """The reference was not analysed in the end: the next frame is compared with nothing."""
        self._reference = None
