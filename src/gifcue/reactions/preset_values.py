"""The values of the three presets, as plain tables that lie under what a configuration gives.

`careful` and `playful` are changes of `normal`. The reasons: docs/decisions/0030-reaction-policy.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gifcue.detect.extra_gestures import EXTRA_GESTURES

PresetName = Literal["careful", "normal", "playful"]

PRESETS: tuple[PresetName, ...] = ("careful", "normal", "playful")


def overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, key by key; tables within them likewise."""
    laid = dict(under)
    for key, value in over.items():
        below = laid.get(key)
        laid[key] = (
            overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return laid


NORMAL: dict[str, Any] = {
    "labels": {
        # Expressions come slowly and last. A speaking mouth looks like a smile for a moment, so a smile must last
        # longer than that.
        "smile": {
            "kind": "face",
            "start": 0.85,
            "stay": 0.6,
            "dwell_s": 0.8,
            "release_s": 0.6,
            "cooldown_s": 3.0,
            "max_speed": None,
        },
        # A face that is half hidden is classified with less certainty. A hand must be at it as well.
        "thinking": {
            "kind": "face",
            "start": 0.94,
            "stay": 0.75,
            "dwell_s": 1.2,
            "release_s": 0.8,
            "cooldown_s": 8.0,
            "max_speed": None,
            "hand_at_face": True,
        },
        # A waving hand is blurred in every other frame, so lower probabilities keep it going and its release takes
        # longer. Its motion is required in addition.
        "wave": {
            "kind": "hand",
            "start": 0.8,
            "stay": 0.3,
            "release_s": 0.6,
            "min_vote_share": 0.35,
            "motion": "side_to_side",
            "max_speed": None,
        },
        # A hand that holds one pose can be classified as another for some frames. People do not take a hand down and
        # raise it again within half a second.
        "ok_hand": {"kind": "hand", "release_s": 0.5},
        "thumbs_up": {"kind": "hand", "start": 0.95, "stay": 0.5, "release_s": 0.5},
    },
}
CAREFUL: dict[str, Any] = overlay(
    NORMAL,
    {
        "labels": {
            "smile": {"start": 0.9, "stay": 0.65, "dwell_s": 1.2, "cooldown_s": 10.0},
            "thinking": {"start": 0.96, "stay": 0.8, "dwell_s": 2.0, "cooldown_s": 15.0},
            "wave": {"start": 0.9, "stay": 0.4, "dwell_s": 0.8, "cooldown_s": 10.0, "min_vote_share": 0.5},
            "ok_hand": {"start": 0.85, "stay": 0.5, "dwell_s": 0.8, "cooldown_s": 10.0, "max_speed": 1.0},
            "thumbs_up": {"start": 0.97, "stay": 0.6, "dwell_s": 0.8, "cooldown_s": 10.0, "max_speed": 1.0},
        },
        "swings": {"min_swings": 4, "min_travel": 0.4},
        "speaking_suppresses_hands": True,
        "min_votes": 4,
        "min_analysed_votes": 3,
        "min_vote_share": 0.75,
    },
)
PLAYFUL: dict[str, Any] = overlay(
    NORMAL,
    {
        "labels": {
            "smile": {"start": 0.7, "stay": 0.45, "dwell_s": 0.5, "cooldown_s": 1.5},
            "thinking": {"start": 0.7, "stay": 0.5, "dwell_s": 0.8, "cooldown_s": 3.0},
            "wave": {"start": 0.5, "dwell_s": 0.3, "cooldown_s": 1.5},
            "ok_hand": {"start": 0.6, "stay": 0.4, "dwell_s": 0.3, "cooldown_s": 1.5, "max_speed": 2.0},
            "thumbs_up": {"start": 0.7, "stay": 0.45, "dwell_s": 0.3, "cooldown_s": 1.5, "max_speed": 2.0},
        },
        "swings": {"min_swings": 2, "min_travel": 0.2},
        "min_votes": 2,
    },
)
# The label whose values a custom gesture has, unless the settings give it others: a gesture of one hand, held still.
LIKE_A_GESTURE = "ok_hand"
PRESET_VALUES: dict[str, dict[str, Any]] = {"careful": CAREFUL, "normal": NORMAL, "playful": PLAYFUL}
# How the extra gestures differ from `LIKE_A_GESTURE`. A hand that asks for the
# floor keeps still for longer than one rests between two waves, and is beside the face or higher.
_RAISED = {"motion": "still", "max_speed": 0.5, "min_height": 0.1, "release_s": 0.8}
_EXTRA_CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "careful": {
        "raised_hand": {**_RAISED, "dwell_s": 2.0, "cooldown_s": 15.0},
    },
    "normal": {
        "raised_hand": {**_RAISED, "dwell_s": 1.5, "cooldown_s": 8.0},
    },
    "playful": {
        "raised_hand": {**_RAISED, "dwell_s": 1.2, "cooldown_s": 3.0},
    },
}
EXTRA_VALUES: dict[str, dict[str, dict[str, Any]]] = {
    preset: {
        label: overlay(values["labels"][LIKE_A_GESTURE], _EXTRA_CHANGES[preset].get(label, {}))
        for label in EXTRA_GESTURES
    }
    for preset, values in PRESET_VALUES.items()
}
