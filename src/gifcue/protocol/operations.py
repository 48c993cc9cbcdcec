"""What an operator learns of a server and asks of it, as frozen dataclasses.

The messages of `gifcue.v1.OperatorService` explain each field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gifcue.protocol.accounting import FrameCounts


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a server is used, and how much the limits allow."""

    participants: int = 0
    max_participants: int = 0
    streams: int = 0
    max_streams: int = 0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of a server. Each is a setting of the same name."""

    max_streams: int = 0
    max_participants: int = 0
    max_participants_per_stream: int = 0
    max_frame_bytes: int = 0
    max_fps: int = 0
    max_pixels: int = 0
    idle_timeout_ms: int = 0
    drain_timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What a server is made of: versions, and the digest of the model in service."""

    version: str = ""
    python: str = ""
    model_sha256: str = ""


@dataclass(frozen=True, slots=True)
class DrainStatus:
    """Whether new streams are refused, and how many open ones were asked to move."""

    refuses_streams: bool = False
    exits: bool = False
    streams_moving: int = 0
    streams_asked: int = 0


@dataclass(frozen=True, slots=True)
class LoopLag:
    """How long the event loop kept timers waiting: the mean since the start, the longest of the last 30 to 60 s."""

    mean_ms: float = 0.0
    max_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What a process takes. Memory that processes share counts for each of them."""

    cpu_s: float = 0.0
    rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StillStatus:
    """Stills: those in work, and what became of the others since the start. `failed` and `refused` are by reason."""

    in_work: int = 0
    decoded: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesStatus:
    """The rule book. `has_problem`: the present state of its file is not in force."""

    reloads: int = 0
    refused: int = 0
    has_problem: bool = False
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One open stream. No field names a room or a participant."""

    session_id: str
    age_s: float
    participants: int
    frames_per_s: float
    frames: FrameCounts
    reactions: int
    latency_p50_ms: float
    latency_p95_ms: float
    is_moving: bool


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Open streams. `next_page_token` asks for the next page, empty on the last one; `total` counts all streams."""

    streams: tuple[StreamFigures, ...] = ()
    next_page_token: str = ""
    total: int = 0


@dataclass(frozen=True, slots=True)
class Drained:
    """Streams that were asked to move, those that stay, and the deadline in milliseconds."""

    streams: int
    remaining: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class GesturesReloaded:
    """The labels of the custom gestures in service, and for each file that is not served as it is, why. A problem of
    the folder itself has the name "".
    """

    labels: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesReloaded:
    """The book in force after its file was read. `doubtful_lines` name labels or GIFs that the server does not have."""

    changed: bool
    rules: int
    gifs: int
    doubtful_lines: tuple[int, ...] = ()
