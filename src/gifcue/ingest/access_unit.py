"""What every adapter hands on: one frame, as it was received."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.protocol.codecs import Codec


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One frame. `pts` counts ticks of `clock_hz` and never wraps.

    `follows_loss`: frames before it may be missing. `rotation` is degrees clockwise that bring the picture upright.
    `temporal_layer` is None where the source does not tell it.
    """

    codec: Codec
    payload: bytes
    pts: int
    clock_hz: int
    keyframe: bool
    follows_loss: bool = False
    rotation: int = 0
    temporal_layer: int | None = None
