"""Ends the reactions of a participant whose frames stop, by the server's clock.

The reaction policy knows only the sender's clock, which stops with the frames. Without this, a reaction that is under
way would wait for the next frame for ever.
"""

from __future__ import annotations

from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.policy import QUIET_S, ReactionPolicy

# Seconds between two looks at all participants. One timer serves the whole server: frames cost nothing beside the note
# of their time.
LOOK_INTERVAL_S = 0.1
# The longest interval between two results that is noted: after a pause of the video, the interval is soon right again.
LONGEST_INTERVAL_S = 4.0
# The share of the newest interval in the mean.
NEWEST_SHARE = 0.25


class QuietWatch:
    """Watches one participant. Times are seconds of the server's clock."""

    def __init__(self, policy: ReactionPolicy) -> None:
        self._policy = policy
        self._last_s: float | None = None
        self._interval_s: float | None = None
        # False where nothing is under way since the last look, so that looks at silent participants cost nothing.
        self._is_due = False

    def decided(self, now_s: float) -> None:
        """The policy took a result."""
        if self._last_s is not None:
            interval_s = min(now_s - self._last_s, LONGEST_INTERVAL_S)
            if self._interval_s is None:
                self._interval_s = interval_s
            else:
                self._interval_s += NEWEST_SHARE * (interval_s - self._interval_s)
        self._last_s = now_s
        self._is_due = True

    def look(self, now_s: float) -> list[PolicyEvent]:
        """Ends what has waited too long for the next result."""
        if not self._is_due or self._last_s is None or now_s - self._last_s < QUIET_S:
            return []
        events = self._policy.end_quiet(now_s - self._last_s, self._interval_s or 0.0)
        self._is_due = self._policy.is_under_way
        return events
