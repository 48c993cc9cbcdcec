"""Precision, recall and F1."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """Detections at a threshold.

    Attributes:
        right: true positives.
        wrong: false positives.
        missed: false negatives.
    """

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """0..1; None where nothing was detected."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """0..1; None where there was nothing to detect."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None

    @property
    def f1(self) -> float | None:
        """0..1; None where there was nothing to detect and nothing was detected."""
        relevant = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / relevant if relevant else None
