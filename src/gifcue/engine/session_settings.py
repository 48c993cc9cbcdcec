"""What a stream asked for in its configuration."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.detect.detector import ServedModel
from gifcue.engine.decisions import DecisionDetails
from gifcue.protocol.resume import RoomState
from gifcue.reactions.settings import ReactionSettings


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a stream asked for. `send_holding`: whether it wants these events, which are optional. `decisions`: what it
    wants to know of each frame that is analysed, None for nothing. `resume`: what the room keeps from the server
    before, None where the client carries nothing to the next one.
    """

    room_id: str
    preset: str
    policy: ReactionSettings
    send_holding: bool
    decisions: DecisionDetails | None = None
    resume: RoomState | None = None


def reaction_labels(model: ServedModel, policy: ReactionSettings) -> tuple[str, ...]:
    """The labels that can become reactions: the policy knows how, and the model sees them."""
    return tuple(label for label in model.labels if label in policy.reaction_labels)
