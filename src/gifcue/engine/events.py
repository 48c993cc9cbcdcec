"""The events that the engine sends to a stream (`gifcue.protocol.events`), and the sink that takes them."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from gifcue.protocol.events import Draining, Fault, FrameDecided, KeyframeRequested, Reaction, SlowDown

EngineEvent: TypeAlias = Reaction | FrameDecided | KeyframeRequested | SlowDown | Draining | Fault


class Sink(Protocol):
    """Takes one stream's events, in order."""

    def put(self, event: EngineEvent) -> None:
        """Takes an event. Must neither block nor raise: it is called while a frame is being handled."""
