"""From detections over time to reactions that a person meant.

`ReactionPolicy` follows one participant and returns `PolicyEvent`s. Its settings are `ReactionSettings`.
"""

from gifcue.protocol.phases import Phase
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.label_settings import LabelSettings
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.preset_values import PRESETS
from gifcue.reactions.presets import ReactionPresets
from gifcue.reactions.settings import ReactionSettings, policy_preset

__all__ = [
    "PRESETS",
    "EndReason",
    "LabelSettings",
    "Phase",
    "PolicyEvent",
    "ReactionPolicy",
    "ReactionPresets",
    "ReactionSettings",
    "policy_preset",
]
