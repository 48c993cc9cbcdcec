"""Cooldowns of rules that a client brings from another server.

They are kept apart from what the chooser remembers, with the stream or the participant that brought them: a client can
thereby neither push the cooldowns of others out of that memory, nor silence anybody but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Claims:
    """Seconds that were left of cooldowns at `at_s` of the chooser's clock, by rule."""

    at_s: float = 0.0
    remaining_s: Mapping[str, float] = field(default_factory=dict)

    def left_s(self, rule_id: str, cooldown_s: float, now_s: float) -> float:
        """Seconds that are left at `now_s`, 0 without any. A claim is no longer than the rule's own cooldown."""
        remaining_s = self.remaining_s.get(rule_id)
        if remaining_s is None:
            return 0.0
        return max(0.0, min(remaining_s, cooldown_s) - (now_s - self.at_s))


NO_CLAIMS = Claims()


@dataclass(frozen=True, slots=True)
class Brought:
    """What the participant and the room of one reaction bring."""

    participant: Claims = NO_CLAIMS
    room: Claims = NO_CLAIMS


NOTHING_BROUGHT = Brought()
