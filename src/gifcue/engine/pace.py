"""How often each participant is analysed: less often while answers come late, as often as configured otherwise.

A server that falls behind wastes work: it decodes, compares and copies pictures, and then discards them for newer ones.
A lower rate avoids that and gives every participant the same share. There is no clock here: the caller passes times.
"""

from __future__ import annotations

from gifcue.media.settings import MediaSettings

# The pace is decided once in each window, from the share of late answers in it.
WINDOW_S = 0.5
LATE_SHARE = 0.1
# Down faster than up: a queue keeps growing under overload, and a fast rise would bring the overload back.
SLOWER, FASTER = 0.8, 1.06
# Answers must come in this share of the bound before participants are analysed more often again.
EASY = 0.6
# Windows of late answers at the least rate, one after another, after which there is no more to be gained, and seconds
# after the last window at which all of it is forgotten: without answers nobody knows.
EXHAUSTED_AFTER = 4
EXHAUSTED_S = 2.0


class AnalysisPace:
    """Pictures a second of one participant, between the settings' least and most."""

    def __init__(self, settings: MediaSettings) -> None:
        self._most = settings.max_analysis_fps
        self._least = min(settings.min_analysis_fps, self._most)
        self._late_ms = settings.late_ms
        self._window_ends_s: float | None = None
        self._late_windows = 0
        self._answers = self._late = self._easy = 0
        self.fps = self._most

    def is_exhausted(self, at_s: float) -> bool:
        """True while answers are late although every participant is analysed as rarely as the settings allow. Never
        where the settings fix the rate.
        """
        ends_s = self._window_ends_s
        return ends_s is not None and at_s < ends_s + EXHAUSTED_S and self._late_windows >= EXHAUSTED_AFTER

    def nobody_left(self) -> bool:
        """The last participant has left: who comes next is not held to what was before. True where `fps` changed."""
        return self._start_over()

    def look(self, at_s: float) -> bool:
        """Called now and then: without answers for `EXHAUSTED_S` there is no load. True where this changed `fps`."""
        ends_s = self._window_ends_s
        return ends_s is not None and at_s >= ends_s + EXHAUSTED_S and self._start_over()

    def answered(self, latency_ms: float, at_s: float) -> bool:
        """A picture was analysed, `latency_ms` after its frame had arrived. True where this changed `fps`."""
        self._answers += 1
        self._late += latency_ms > self._late_ms
        self._easy += latency_ms <= EASY * self._late_ms
        return self._decide(at_s)

    def superseded(self, at_s: float) -> bool:
        """A picture waited so long that a newer one took its place. True where this changed `fps`."""
        self._answers += 1
        self._late += 1
        return self._decide(at_s)

    def _start_over(self) -> bool:
        before, self.fps = self.fps, self._most
        self._window_ends_s = None
        self._late_windows = self._answers = self._late = self._easy = 0
        return self.fps != before

    def _decide(self, at_s: float) -> bool:
        if self._window_ends_s is None:
            self._window_ends_s = at_s + WINDOW_S
        if at_s < self._window_ends_s:
            return False
        before = self.fps
        is_late = self._late > LATE_SHARE * self._answers
        # Counted down one by one, so that one good window does not end it.
        at_least = is_late and self.fps <= self._least < self._most
        self._late_windows = (
            min(EXHAUSTED_AFTER, self._late_windows + 1) if at_least else max(0, self._late_windows - 1)
        )
        if is_late:
            self.fps = max(self._least, self.fps * SLOWER)
        elif self._easy >= (1 - LATE_SHARE) * self._answers:
            self.fps = min(self._most, self.fps * FASTER)
        self._window_ends_s = at_s + WINDOW_S
        self._answers = self._late = self._easy = 0
        return self.fps != before
