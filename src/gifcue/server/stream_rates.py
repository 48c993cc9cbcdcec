"""How many frames a second each stream sends."""

from __future__ import annotations

from collections.abc import Mapping

# A rate is over the last one to two of these, in seconds.
WINDOW_S = 5.0


class StreamRates:
    """Rates over the last `WINDOW_S` to twice that, from samples that its owner takes every `WINDOW_S` seconds."""

    def __init__(self) -> None:
        # By session, the last two samples: when it was taken, and the frames received until then.
        self._before: dict[str, tuple[float, int]] = {}
        self._last: dict[str, tuple[float, int]] = {}

    def sample(self, now_s: float, received: Mapping[str, int]) -> None:
        """Takes a sample: the frames that each open session has received so far. Others are forgotten."""
        self._before = {session: self._last[session] for session in received if session in self._last}
        self._last = {session: (now_s, frames) for session, frames in received.items()}

    def rate(self, session: str, now_s: float, received: int, opened_s: float) -> float:
        """Frames a second of a session that was opened at `opened_s` and has received so many frames. All times are of
        the same clock, in seconds.
        """
        since_s, frames = self._before.get(session, (opened_s, 0))
        # Of a stream that has just been opened, a burst is no rate yet.
        return (received - frames) / max(1.0, now_s - since_s)
