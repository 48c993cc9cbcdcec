"""Which decoded frames are worth looking at: pacing, then the similar-frame filter, by the sender's clock."""

from __future__ import annotations

from typing import Any, NamedTuple

from gifcue.media.settings import FilterSettings
from gifcue.media.similarity import Comparer, Signature
from gifcue.protocol.reasons import SkipReason

# A clock that falls back by more than this was set anew; B-frames and jitter go back by less.
CLOCK_RESET_S = 1.0
# Frames are seldom spaced exactly: one that comes this share of an interval early is in time.
PACE_SLACK = 0.1

NOT_COMPARED = -1.0


class Pacer:
    """Lets `max_fps` frames a second through, over their own pts. A slower stream passes whole."""

    def __init__(self, max_fps: float) -> None:
        self._interval_s = 1.0 / max_fps
        self._due_s: float | None = None

    def pace(self, max_fps: float) -> None:
        """Another `max_fps` from now on."""
        interval_s = 1.0 / max_fps
        if self._due_s is not None:
            # A new interval counts from the last frame used, not from the one after it.
            self._due_s += interval_s - self._interval_s
        self._interval_s = interval_s

    def is_due(self, pts_s: float) -> bool:
        """True where a frame of this time is wanted. Changes nothing: `use` does."""
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


class Verdict(NamedTuple):
    """`skip` tells why no analysis is needed, if so; `similarity` is 0..1 or `NOT_COMPARED`."""

    skip: SkipReason | None
    similarity: float
    signature: Signature | None


class FrameFilter:
    """One participant's filter. The reference is the picture last *analysed*: slow drift adds up against it.

    verdict = filter.judge(frame, pts_s)      # changes nothing
    filter.analysed(verdict, pts_s)           # the picture goes to a detector
    filter.forget()                           # it was not analysed in the end
    """

    def __init__(self, settings: FilterSettings, max_fps: float, comparer: Comparer | None = None) -> None:
        """`comparer` may be shared by filters of one thread and of the same settings: it is large, and knows nobody."""
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
        """A reaction is in the making: every frame counts, none is similar, and an overload slows nothing down."""
        return self._holding

    @holding.setter
    def holding(self, holding: bool) -> None:
        self._holding = holding
        self._apply_pace()

    def pace(self, fps: float) -> None:
        """So many frames a second at most, or the settings' own where those are fewer, while nothing is held."""
        self._paced_fps = min(fps, self._max_fps)
        self._apply_pace()

    def _apply_pace(self) -> None:
        self._pacer.pace(self._max_fps if self._holding else self._paced_fps)

    def judge(self, frame: Any, pts_s: float) -> Verdict:
        """Says whether a frame is worth looking at."""
        if not self._pacer.is_due(pts_s):
            return Verdict(SkipReason.PACED, NOT_COMPARED, None)
        if not self._settings.enabled:
            return Verdict(None, NOT_COMPARED, None)
        signature = self._comparer.signature(frame)
        if self._reference is None:
            return Verdict(None, NOT_COMPARED, signature)
        similarity = self._comparer.similarity(self._reference, signature)
        age_s = pts_s - self._reference_s
        if (
            similarity < self._threshold
            or self._holding
            or age_s >= self._settings.max_age_s
            or age_s < -CLOCK_RESET_S
        ):
            return Verdict(None, similarity, signature)
        self._pacer.use(pts_s)
        return Verdict(SkipReason.SIMILAR, similarity, signature)

    def analysed(self, verdict: Verdict, pts_s: float) -> None:
        """The frame of this verdict goes to a detector: later ones are compared with it."""
        self._pacer.use(pts_s)
        self._reference = verdict.signature
        self._reference_s = pts_s

    def forget(self) -> None:
        """The reference was not analysed in the end: whatever comes next is new."""
        self._reference = None
