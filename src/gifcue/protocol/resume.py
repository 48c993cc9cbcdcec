"""What a client carries from one server to the next, so that a stream that moves loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Entries of each kind that one state may have. Longer lists are refused, and decoding stops one entry beyond.
MAX_ENTRIES = 256
MAX_REACTION_ID_BYTES = 64
# A rule's name has up to 128 characters (`gifcue.rules.book`), each of up to 4 bytes.
MAX_RULE_ID_BYTES = 512


@dataclass(frozen=True, slots=True)
class RunningReaction:
    """A reaction that STARTED and has not ENDED. `age_ms` is the time since its STARTED."""

    reaction_id: str
    label: str
    age_ms: int = 0


@dataclass(frozen=True, slots=True)
class LabelCooldown:
    """A label that may not start again for `remaining_ms`."""

    label: str
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class RuleCooldown:
    """A rule of the rule book that may not answer for `remaining_ms`."""

    rule_id: str
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class ParticipantState:
    """What a participant keeps. `gif_cooldowns` are rules that may not answer this participant."""

    running: tuple[RunningReaction, ...] = ()
    cooldowns: tuple[LabelCooldown, ...] = ()
    gif_cooldowns: tuple[RuleCooldown, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomState:
    """What a room keeps. `gif_cooldowns` are rules that may not answer anybody in it."""

    gif_cooldowns: tuple[RuleCooldown, ...] = ()


def participant_state_fault(state: ParticipantState, max_label_bytes: int) -> str | None:
    """What is wrong with the state of a participant; None where nothing is."""
    for name, entries in (("running", state.running), ("cooldowns", state.cooldowns)):
        if len(entries) > MAX_ENTRIES:
            return f"resume.{name}: expected at most {MAX_ENTRIES} entries, got more"
        labels = [each.label for each in entries]
        wrong = _name_fault(f"resume.{name}: label", labels, max_label_bytes)
        if wrong is not None:
            return wrong
        if len(set(labels)) < len(labels):
            return f"resume.{name}: expected at most one entry for each label, got two"
    ids = [each.reaction_id for each in state.running]
    wrong = _name_fault("resume.running: reaction_id", ids, MAX_REACTION_ID_BYTES)
    if wrong is not None:
        return wrong
    if len(set(ids)) < len(ids):
        return "resume.running: expected a different reaction_id for each entry, got one twice"
    return _rules_fault(state.gif_cooldowns)


def room_state_fault(state: RoomState) -> str | None:
    """What is wrong with the state of a room; None where nothing is."""
    return _rules_fault(state.gif_cooldowns)


def _rules_fault(cooldowns: Sequence[RuleCooldown]) -> str | None:
    if len(cooldowns) > MAX_ENTRIES:
        return f"resume.gif_cooldowns: expected at most {MAX_ENTRIES} entries, got more"
    return _name_fault(
        "resume.gif_cooldowns: rule_id", [each.rule_id for each in cooldowns], MAX_RULE_ID_BYTES
    )


def _name_fault(field: str, names: Iterable[str], max_bytes: int) -> str | None:
    for name in names:
        size = len(name.encode())
        if not 0 < size <= max_bytes:
            return f"{field}: expected 1 to {max_bytes} bytes, got {size}"
    return None
