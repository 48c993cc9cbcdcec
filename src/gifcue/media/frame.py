"""One frame on its way through the server, from its admission to its end."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stage(enum.StrEnum):
    """How far a frame has come."""

    ADMITTED = "admitted"  # not counted yet
    DECODING = "decoding"  # with a decode worker, or waiting for it
    DETECTING = "detecting"  # its picture lies in a slot and waits for a detector, or is with one
    ENDED = "ended"  # analysed, skipped or dropped


@dataclass(eq=False, slots=True)
class FrameInFlight:
    """All that the front process knows of a frame. The pools and the accounting index this object and keep no copies.

    Each field has one writer: the participant makes the object, the accounting moves `stage` on, the decode pool fills
    in the picture, the scheduler sets `waits_since_s`, and the pipeline sets `decided_s`.
    """

    key: int  # the participant's number with the pools
    token: int  # the frame's number, unique for its participant
    sequence: int
    pts: int  # ticks of clock_hz, the sender's clock
    clock_hz: int
    # Media time in seconds: the sender's pts, and once the frame is decoded the picture's own, which lies before it
    # where a codec reorders.
    pts_s: float
    size_bytes: int  # of the payload
    arrived_s: float  # the front's clock
    stage: Stage = Stage.ADMITTED
    # The picture: RGB, uint8, height x width x 3, without gaps from the start of the slot. None once it is given back.
    slot: int | None = None
    width: int = 0
    height: int = 0
    # Since when the participant waits for a detector: taken over from a picture that this one replaces.
    waits_since_s: float = 0.0
    wants_landmarks: bool = False  # the stream asked for the landmarks of faces and hands
    decided_s: float = 0.0  # when the decision on the frame was known, on the front's clock
    rotation: int = 0  # degrees clockwise that bring the picture upright
    temporal_layer: int | None = None  # of the access unit; None where the sender does not know it

    @property
    def latency_ms(self) -> float:
        """Milliseconds from the frame's arrival to the decision on it."""
        return (self.decided_s - self.arrived_s) * 1000.0
