"""Detections over time ► reactions somebody meant."""

from gifcue.reactions.events import EndReason, Phase, PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.presets import PRESETS
from gifcue.reactions.settings import LabelSettings, PolicySettings, policy_preset

__all__ = [
    "PRESETS",
    "EndReason",
    "LabelSettings",
    "Phase",
    "PolicyEvent",
    "PolicySettings",
    "ReactionPolicy",
    "policy_preset",
]
