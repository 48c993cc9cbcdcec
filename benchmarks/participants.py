"""The participants of a load, and when their frames are due.

Imports only the standard library, because the peers' environments, which lack gifcue, use it too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Participant:
    """`footage` is the index of the variant it shows, `offset_s` its start in seconds after the first participant."""

    name: str
    footage: int
    offset_s: float


class SendSchedule:
    """The due times of a participant's frames, in seconds.

    Frames are evenly spaced, each delayed by a random time of up to `jitter_s`, and never due before the frame that
    they follow. The same seed and name give the same times.
    """

    def __init__(
        self, participant: Participant, fps: float, jitter_s: float, seed: int, start_s: float = 0.0
    ) -> None:
        self._fps, self._jitter_s = fps, jitter_s
        self._start_s = start_s + participant.offset_s
        self._random = random.Random(f"{seed} {participant.name}")
        self._count, self._last_s = 0, float("-inf")

    def next_s(self) -> float:
        """The due time of the next frame. Each call advances by one frame."""
        regular_s = self._start_s + self._count / self._fps
        self._count += 1
        self._last_s = max(regular_s + self._random.random() * self._jitter_s, self._last_s)
        return self._last_s
