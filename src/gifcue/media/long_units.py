"""The time that units may take which hold a decode worker up for long.

Nothing can interrupt the decoder within a unit, so a fair share alone does not protect the others from units that take
long: the time that a participant may spend on those is limited to a small part of all time. So is the time of all
participants of a stream together. The limits do not depend on names: what a participant owes when it leaves is owed by
whoever joins the stream next.

Times are seconds of a steady clock, which the caller passes.
"""

from __future__ import annotations

# A unit that takes longer than this is long: nobody else of the worker gets anything meanwhile.
LONG_S = 0.05
# A participant may spend this share of the time on long units, and so many seconds at once. Its units wait while it has
# spent more. An encoder that sends a keyframe of 4K every two seconds stays below it.
LONG_SHARE = 0.05
LONG_BURST_S = 0.5
# The same for all participants of a stream together.
STREAM_LONG_SHARE = 0.25
STREAM_LONG_BURST_S = 2.0
# What a participant that joins takes over at most, of what those owed who have left.
MAX_TAKEN_OVER_S = 2.0


class _Account:
    """Seconds spent, less the share of the time that may be spent."""

    __slots__ = ("_at_s", "_burst_s", "_share", "_spent_s")

    def __init__(self, share: float, burst_s: float) -> None:
        self._share = share
        self._burst_s = burst_s
        self._spent_s = 0.0
        self._at_s = 0.0

    def add(self, spent_s: float, now_s: float) -> None:
        self._spent_s = self.owed_s(now_s) + spent_s
        self._at_s = now_s

    def owed_s(self, now_s: float) -> float:
        return max(0.0, self._spent_s - self._share * (now_s - self._at_s))

    def is_overdrawn(self, now_s: float) -> bool:
        # This is asked for every unit, and the first comparison answers it for nearly all of them.
        return self._spent_s > self._burst_s and self.owed_s(now_s) > self._burst_s


class StreamLongUnits:
    """The long units of all participants of one stream, those that have left included."""

    def __init__(self) -> None:
        self.all = _Account(STREAM_LONG_SHARE, STREAM_LONG_BURST_S)
        self._left = _Account(LONG_SHARE, LONG_BURST_S)

    def leave(self, owed_s: float, now_s: float) -> None:
        """A participant leaves and owes this much."""
        if owed_s:
            self._left.add(owed_s, now_s)

    def take_over(self, now_s: float) -> float:
        """A participant joins. Returns what it owes from the start."""
        owed_s = min(self._left.owed_s(now_s), MAX_TAKEN_OVER_S)
        self._left = _Account(LONG_SHARE, LONG_BURST_S)
        return owed_s


class LongUnits:
    """The long units of one participant, from its join to its end."""

    __slots__ = ("_own", "_stream")

    def __init__(self, stream: StreamLongUnits | None = None, now_s: float = 0.0) -> None:
        """Without a stream, only the participant's own limit holds."""
        self._own = _Account(LONG_SHARE, LONG_BURST_S)
        self._stream = stream
        if stream is not None:
            self._own.add(stream.take_over(now_s), now_s)

    def spent(self, spent_s: float, now_s: float) -> None:
        """The worker spent this time on a unit, whether or not it is long."""
        if spent_s > LONG_S:
            self._own.add(spent_s, now_s)
            if self._stream is not None:
                self._stream.all.add(spent_s, now_s)

    def must_pause(self, now_s: float) -> bool:
        """True while more was spent on long units than may be."""
        return self._own.is_overdrawn(now_s) or (
            self._stream is not None and self._stream.all.is_overdrawn(now_s)
        )

    def leave(self, now_s: float) -> None:
        """The participant leaves."""
        if self._stream is not None:
            self._stream.leave(self._own.owed_s(now_s), now_s)
