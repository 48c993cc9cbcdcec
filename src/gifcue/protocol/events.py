"""What a media server hears from gifcue, as plain frozen dataclasses: no protobuf reaches the caller.

Boxes are shares of the picture, 0..1. Times are named with their unit. `pts` counts ticks of `clock_hz`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode


@dataclass(frozen=True, slots=True)
class Model:
    """The model that judges the frames."""

    name: str
    version: str
    labels: tuple[str, ...]
    backend: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server holds a stream to; the fields are those of `gifcue.v1.EffectiveLimits`."""

    max_participants: int
    max_frame_bytes: int
    max_pixels: int
    max_fps: int
    max_buffered_bytes: int
    idle_timeout_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The server took the stream's configuration. The first event of every connection."""

    limits: Limits
    model: Model
    reaction_labels: tuple[str, ...]
    server_version: str
    session_id: str
    preset: str


@dataclass(frozen=True, slots=True)
class Gif:
    """The picture to show. `url` is absolute, or a path on the server's HTTP port."""

    gif_id: str
    url: str
    title: str
    media_type: str
    priority: int


@dataclass(frozen=True, slots=True)
class Reaction:
    """Somebody reacts. `reaction_id` is the same from the first HOLDING to ENDED.

    `gif` and `gif_reason` are set on STARTED only, `end_reason` on ENDED and CANCELLED only.
    """

    participant_id: str
    reaction_id: str
    phase: Phase
    label: str
    progress: float
    score: float
    box: Box
    pts: int
    clock_hz: int
    sequence: int
    latency_ms: float
    model_version: str
    gif: Gif | None = None
    gif_reason: str = ""
    end_reason: str = ""

    @property
    def at_s(self) -> float:
        """The deciding frame's pts in seconds."""
        return self.pts / self.clock_hz if self.clock_hz else 0.0


@dataclass(frozen=True, slots=True)
class FrameDecided:
    """A detector judged a frame; comes only where `StreamOptions.send_decisions` asks for it."""

    participant_id: str
    sequence: int
    pts: int
    clock_hz: int
    latency_ms: float


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """Nothing of this participant can be decoded before its encoder gives a keyframe."""

    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Send less. An empty `participant_id` means everybody on the stream."""

    participant_id: str
    max_fps: float
    reason: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The server stops within `deadline_ms`: open a stream elsewhere."""

    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with one participant or one frame; everybody else goes on.

    `count` is how many such faults it tells of.
    """

    participant_id: str
    code: FaultCode
    message: str
    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Of a `ReconnectingStream` only: no connection; attempt number `attempt` starts in `retry_in_s`."""

    reason: str
    attempt: int
    retry_in_s: float


Event = Ready | Reaction | FrameDecided | KeyframeRequested | SlowDown | Draining | Fault | Disconnected


@dataclass(frozen=True, slots=True)
class ParticipantStatistics:
    """One participant's books. Latencies run from a frame's arrival to the decision on it."""

    participant_id: str
    books: FrameCounts
    reactions: int
    latency_p50_ms: float
    latency_p95_ms: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """The books of one stream, those that left included."""

    participants: tuple[ParticipantStatistics, ...] = ()

    @property
    def total(self) -> FrameCounts:
        """Everybody's books in one."""
        return FrameCounts.total(each.books for each in self.participants)

    def participant(self, participant_id: str) -> ParticipantStatistics:
        """One participant's share; a KeyError names those that there are."""
        for each in self.participants:
            if each.participant_id == participant_id:
                return each
        names = ", ".join(repr(each.participant_id) for each in self.participants) or "nobody"
        raise KeyError(f"expected one of {names}, got {participant_id!r}")


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker process of the server."""

    name: str
    state: str
    pid: int
    restarts: int
    last_failure: str


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What the server does now. `state` is "starting", "serving", "not_serving" or "draining"."""

    server_version: str
    model: Model | None
    uptime_s: float
    state: str
    streams: int
    participants: int
    books: FrameCounts
    reactions: Mapping[str, int]
    workers: tuple[WorkerState, ...]
    latency_p50_ms: float
    latency_p95_ms: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing found in a still."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """What was found in a still of `width` x `height` pixels, best first."""

    annotations: tuple[Annotation, ...]
    model: Model
    width: int
    height: int
