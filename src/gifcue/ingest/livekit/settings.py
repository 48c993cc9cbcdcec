"""What `LiveKitIngest` follows and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gifcue.client import Backoff
from gifcue.ingest.consent import ConsentRule
from gifcue.ingest.livekit.requests import WantedLayer


@dataclass(frozen=True, slots=True)
class LiveKitSettings:
    """What is followed and how. `url` is LiveKit's address, `ws://`, `wss://`, `http://` or `https://`.

    `linger_s` is how many seconds a participant whose video has ended keeps its place in gifcue, with its cooldowns.
    `wait` tries again where the first connection fails, and stays for the next meeting where the room is closed.
    """

    url: str
    room: str
    rules: Sequence[ConsentRule]
    layer: WantedLayer = field(default_factory=WantedLayer)
    max_publishers: int = 64
    linger_s: float = 30.0
    wait: bool = False
    backoff: Backoff = field(default_factory=Backoff)
