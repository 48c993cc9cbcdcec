"""The names of the extra gestures: they come with gifcue and are off by default.

`gifcue.gestures.extra` reads their classifier. `gifcue.reactions.preset_values` says when each is a reaction.
"""

from __future__ import annotations

from typing import Literal, get_args

ExtraGesture = Literal["thumbs_down", "rock", "call_me", "raised_hand"]

EXTRA_GESTURES: tuple[ExtraGesture, ...] = get_args(ExtraGesture)
