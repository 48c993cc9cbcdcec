"""What a client carries from one server to the next, as the engine uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gifcue.engine.publisher import milliseconds
from gifcue.protocol.resume import (
    MAX_REACTION_ID_BYTES,
    LabelCooldown,
    ParticipantState,
    RuleCooldown,
    RunningReaction,
)
from gifcue.rules.claims import NO_CLAIMS, Claims


def claims_of(cooldowns: Sequence[RuleCooldown], now_s: float) -> Claims:
    """The cooldowns of rules that a client brings, as of `now_s`."""
    if not cooldowns:
        return NO_CLAIMS
    return Claims(now_s, {each.rule_id: each.remaining_ms / 1000 for each in cooldowns})


def kept(
    claimed: ParticipantState, running: Mapping[str, str], cooldowns: Mapping[str, float]
) -> ParticipantState:
    """What a participant that joins again keeps of what it claims.

    `running` has the ids of the reactions that run here at the moment, `cooldowns` the seconds left here, both by
    label. No other reaction goes on: its ENDED may be on its way. Cooldowns here stay in force in any case.
    """
    left_ms = {each.label: each.remaining_ms for each in claimed.cooldowns}
    for label, left_s in cooldowns.items():
        left_ms[label] = max(left_ms.get(label, 0), milliseconds(left_s))
    return replace(
        claimed,
        running=tuple(each for each in claimed.running if running.get(each.label) == each.reaction_id),
        cooldowns=tuple(LabelCooldown(label, each) for label, each in left_ms.items()),
    )


def named(claimed: ParticipantState, max_label_bytes: int) -> tuple[RunningReaction, ...]:
    """Of the reactions under way, those whose id and label can be answered, each id once. Others may be wrong."""
    by_id = {
        each.reaction_id: each
        for each in claimed.running
        if 0 < len(each.reaction_id.encode()) <= MAX_REACTION_ID_BYTES
        and 0 < len(each.label.encode()) <= max_label_bytes
    }
    return tuple(by_id.values())
