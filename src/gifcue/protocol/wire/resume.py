"""ParticipantState and RoomState: what a client carries from one server to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gifcue.protocol.resume import (
    MAX_ENTRIES,
    LabelCooldown,
    ParticipantState,
    RoomState,
    RuleCooldown,
    RunningReaction,
)
from gifcue.v1 import reaction_service_pb2 as pb

# Entries of a list that are decoded.
_KEPT = MAX_ENTRIES + 1


def encode_participant_state(state: ParticipantState) -> pb.ParticipantState:
    return pb.ParticipantState(
        running=[
            pb.RunningReaction(reaction_id=each.reaction_id, label=each.label, age_ms=each.age_ms)
            for each in state.running
        ],
        cooldowns=[
            pb.LabelCooldown(label=each.label, remaining_ms=each.remaining_ms) for each in state.cooldowns
        ],
        gif_cooldowns=_encode_rules(state.gif_cooldowns),
    )


def decode_participant_state(message: pb.ParticipantState) -> ParticipantState:
    """The state. Of a list that is too long, one entry beyond the bound is kept, so that the check refuses it."""
    return ParticipantState(
        running=tuple(
            RunningReaction(each.reaction_id, each.label, each.age_ms) for each in message.running[:_KEPT]
        ),
        cooldowns=tuple(LabelCooldown(each.label, each.remaining_ms) for each in message.cooldowns[:_KEPT]),
        gif_cooldowns=_decode_rules(message.gif_cooldowns),
    )


def encode_room_state(state: RoomState) -> pb.RoomState:
    return pb.RoomState(gif_cooldowns=_encode_rules(state.gif_cooldowns))


def decode_room_state(message: pb.RoomState) -> RoomState:
    """As `decode_participant_state`."""
    return RoomState(_decode_rules(message.gif_cooldowns))


def _encode_rules(cooldowns: Iterable[RuleCooldown]) -> list[pb.RuleCooldown]:
    return [pb.RuleCooldown(rule_id=each.rule_id, remaining_ms=each.remaining_ms) for each in cooldowns]


def _decode_rules(messages: Sequence[pb.RuleCooldown]) -> tuple[RuleCooldown, ...]:
    return tuple(RuleCooldown(each.rule_id, each.remaining_ms) for each in messages[:_KEPT])
