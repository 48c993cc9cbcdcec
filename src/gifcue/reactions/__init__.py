"""Detections over time ► reactions somebody meant."""

from gifcue.protocol.phases import Phase
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.presets import PRESETS
from gifcue.reactions.settings import LabelSettings, ReactionSettings, policy_preset

__all__ = [
    "PRESETS",
    "EndReason",
    "LabelSettings",
    "Phase",
    "PolicyEvent",
    "ReactionPolicy",
    "ReactionSettings",
    "policy_preset",
]
