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
# After a pause of the front process, nothing ends for so many seconds: frames that came meanwhile have no result
# yet. A pause is longer than so many intervals between looks.
STALL_LOOKS, AFTER_STALL_S = 5, 1.0
# Seconds in which the first result must come after a move to this server: a keyframe is asked for first, and again
# after a second where that request was lost.
FIRST_RESULT_S = 3.0
# The longest interval between two results that is noted: after a pause of the video, the interval is soon right again.
LONGEST_INTERVAL_S = 4.0
# The mean interval is that of the last seconds, about so many. Intervals count by their length: between the bursts of a
# sender that collects its frames, one long interval stands against many short ones.
AVERAGED_S = 2.0


class QuietWatch:
    """Watches one participant. Times are seconds of the server's clock."""

    def __init__(self, policy: ReactionPolicy) -> None:
        self._policy = policy
        self._last_s: float | None = None
        self._interval_s: float | None = None
        # False where nothing is under way since the last look, so that looks at silent participants cost nothing.
        self._is_due = False
        # Since when reactions from another server wait for their first result here; None once it has come.
        self._resumed_s: float | None = None

    def resumed(self, now_s: float) -> None:
        """Reactions go on from another server."""
        self._resumed_s = now_s
        self._is_due = True

    def decided(self, now_s: float) -> None:
        """The policy took a result."""
        if self._last_s is not None:
            interval_s = min(now_s - self._last_s, LONGEST_INTERVAL_S)
            if self._interval_s is None:
                self._interval_s = interval_s
            else:
                self._interval_s += min(1.0, interval_s / AVERAGED_S) * (interval_s - self._interval_s)
        self._last_s = now_s
        self._resumed_s = None
        self._is_due = True

    def look(self, now_s: float) -> list[PolicyEvent]:
        """Ends what has waited too long for the next result."""
        if self._resumed_s is not None:
            if now_s - self._resumed_s < FIRST_RESULT_S:
                return []
            self._last_s, self._resumed_s = self._resumed_s, None
        if not self._is_due or self._last_s is None or now_s - self._last_s < QUIET_S:
            return []
        events = self._policy.end_quiet(now_s - self._last_s, self._interval_s or 0.0)
        self._is_due = self._policy.is_under_way
        return events
