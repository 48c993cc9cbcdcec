"""What a stream sends to the media server, as frozen dataclasses.

Boxes are shares of the picture, 0..1. A time's name carries its unit. `pts` counts ticks of `clock_hz` a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.protocol.detections import DetectedRegion, UnmetCondition
from gifcue.protocol.geometry import Box
from gifcue.protocol.models import Model
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a stream. `gifcue.v1.EffectiveLimits` explains each field."""

    max_participants: int
    max_frame_bytes: int
    max_pixels: int
    max_fps: int
    max_buffered_bytes: int
    idle_timeout_ms: int
    max_message_bytes: int
    max_frames_per_message: int
    min_ping_interval_ms: int
    heartbeat_interval_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The server accepted the stream's configuration. The first event of every connection.

    `gif_base_url` goes before a `Gif.url` that begins with "/"; it is empty where the operator has configured none.
    `features` are names out of `gifcue.protocol.features`, and of later versions.
    """

    limits: Limits
    model: Model
    reaction_labels: tuple[str, ...]
    server_version: str
    session_id: str
    preset: str
    gif_base_url: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gif:
    """A GIF to show. `url` is absolute, or a path on the server's HTTP port. `rule_id` is the rule that chose it."""

    gif_id: str
    url: str
    title: str
    media_type: str
    priority: int
    rule_id: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One step of a participant's reaction. `reaction_id` is the same from the first HOLDING to ENDED.

    `gif` and `gif_reason` are set on STARTED only, `end_reason` on ENDED and CANCELLED only. Cooldowns are
    milliseconds: `cooldown_ms` on ENDED, in which this label cannot start again; `room_cooldown_ms` and
    `gif_cooldown_ms` on STARTED, in which the rule that chose the GIF answers nobody in the room, or not this
    participant.
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
    cooldown_ms: int = 0
    room_cooldown_ms: int = 0
    gif_cooldown_ms: int = 0

    @property
    def at_s(self) -> float:
        """The deciding frame's pts in seconds; 0 where no frame decided."""
        return self.pts / self.clock_hz if self.clock_hz else 0.0


@dataclass(frozen=True, slots=True)
class FrameDecided:
    """A frame was analysed. Sent only where `StreamOptions.send_decisions` asks for it.

    `regions` are the faces and hands found, highest score first, only with `send_detections`. `unmet` says of each
    allowed label that has not started what it lacks, only with `explain`.
    """

    participant_id: str
    sequence: int
    pts: int
    clock_hz: int
    latency_ms: float
    regions: tuple[DetectedRegion, ...] = ()
    unmet: tuple[UnmetCondition, ...] = ()

    @property
    def at_s(self) -> float:
        """The frame's pts in seconds."""
        return self.pts / self.clock_hz if self.clock_hz else 0.0


@dataclass(frozen=True, slots=True)
class KeyframeRequested:
    """Nothing of this participant can be decoded before its next keyframe."""

    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Send at most `max_fps` frames a second. An empty `participant_id` means every participant of the stream."""

    participant_id: str
    max_fps: float
    reason: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The server drains this stream, which ends within `deadline_ms`: open a stream elsewhere."""

    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with one participant or one frame; all others are unaffected.

    `count` is the number of such faults that this event reports. `sequence` is the frame's, where one frame caused it.
    """

    participant_id: str
    code: FaultCode
    message: str
    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server is alive, and has sent nothing else for a while. No event: the client library keeps it to itself."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A `ReconnectingStream` lost its connection. Attempt number `attempt` starts in `retry_in_s`."""

    reason: str
    attempt: int
    retry_in_s: float


ServerEvent = Ready | Reaction | FrameDecided | KeyframeRequested | SlowDown | Draining | Fault

# `Disconnected` comes from the client library, all others from the server.
Event = ServerEvent | Disconnected
