"""The phases of a reaction."""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """How far a reaction has come. The wire's names are `PHASE_<NAME>`."""

    HOLDING = "holding"  # the pose is held, but not yet long enough
    STARTED = "started"  # the pose was held long enough: show the GIF
    ENDED = "ended"  # a reaction that had started is over
    CANCELLED = "cancelled"  # the pose ended before it became a reaction
