"""What `JanusIngest` follows and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gifcue.client import Backoff
from gifcue.ingest.consent import ConsentRule
from gifcue.ingest.janus.session import JanusAccess
from gifcue.ingest.janus.videoroom import RoomAccess
from gifcue.ingest.rtp.receiver import DEFAULT_WAIT_S


@dataclass(frozen=True, slots=True)
class JanusSettings:
    """What is followed and how. `advertise` is where Janus sends to; None: where the port listens.

    `consent_s` is how long consent is taken as given while Janus cannot be asked: after it, nothing more is taken.
    `simulcast_layer` is the highest layer that is forwarded, 0 to 2. `copies` None decides by the losses.
    """

    url: str
    room: str
    rules: Sequence[ConsentRule]
    listen: tuple[str, int] = ("127.0.0.1", 0)
    advertise: tuple[str, int] | None = None
    only_from: str | None = None
    display: str = "gifcue"
    simulcast_layer: int = 1
    max_publishers: int = 64
    copies: int | None = None
    orientation_id: int | None = None
    wait_s: float = DEFAULT_WAIT_S
    wait_for_janus: bool = False
    consent_s: float = 60.0
    janus_access: JanusAccess = field(default_factory=JanusAccess)
    room_access: RoomAccess = field(default_factory=RoomAccess)
    backoff: Backoff = field(default_factory=Backoff)
