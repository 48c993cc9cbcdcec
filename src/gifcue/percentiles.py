"""Percentiles by nearest rank, of given values or over the most recent of many."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence


def percentile_of(values: Sequence[float], share: float) -> float | None:
    """The value at this share, 0..1, by nearest rank; None where there are no values."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1] if values else None


class RecentValues:
    """Keeps the last `size` values, and the number and the sum of all."""

    def __init__(self, size: int) -> None:
        self._recent: deque[float] = deque(maxlen=size)
        self.count = 0
        self.sum = 0.0

    def record(self, value: float) -> None:
        self._recent.append(value)
        self.count += 1
        self.sum += value

    def percentiles(self, *shares: float) -> tuple[float, ...]:
        """The values at these shares, 0..1, of the recent ones by nearest rank; 0 while there are none."""
        ordered = sorted(self._recent)
        return tuple(
            ordered[max(1, math.ceil(share * len(ordered))) - 1] if ordered else 0.0 for share in shares
        )
