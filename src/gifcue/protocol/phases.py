"""The phases of a reaction."""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """How far a reaction has come."""

    HOLDING = "holding"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"
