"""Who takes part in a load. Imports nothing but the standard library: the peers' environments, which lack
gifcue, read it too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """One participant: its name, the variant of the footage it shows, and how many seconds later than the first it
    begins.
    """

    name: str
    footage: int
    offset_s: float


class Turns:
    """When each frame of a participant is due, in seconds: in its turn, late by up to `jitter_s`, never before the
    one that it follows. The same for the same seed and name.
    """

    def __init__(self, seat: Seat, fps: float, jitter_s: float, seed: int, start_s: float = 0.0) -> None:
        self._fps, self._jitter_s = fps, jitter_s
        self._start_s = start_s + seat.offset_s
        self._random = random.Random(f"{seed} {seat.name}")
        self._count, self._last_s = 0, float("-inf")

    def next_s(self) -> float:
        """The next frame's; each call is for one frame."""
        turn_s = self._start_s + self._count / self._fps
        self._count += 1
        self._last_s = max(turn_s + self._random.random() * self._jitter_s, self._last_s)
        return self._last_s
