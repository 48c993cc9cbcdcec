"""What a stream and a server report about themselves, as frozen dataclasses."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.models import Model
from gifcue.protocol.operations import (
    BuildInfo,
    Capacity,
    DrainStatus,
    LoopLag,
    ProcessStatus,
    RulesStatus,
    ServerLimits,
    StillStatus,
)


@dataclass(frozen=True, slots=True)
class ParticipantStatistics:
    """One participant's frame accounting. A latency runs from a frame's arrival to the decision on it."""

    participant_id: str
    frames: FrameCounts
    reactions: int
    latency_p50_ms: float
    latency_p95_ms: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """The frame accounting of one stream, including participants that have left."""

    participants: tuple[ParticipantStatistics, ...] = ()

    @property
    def total(self) -> FrameCounts:
        """The sum over all participants."""
        return FrameCounts.total(each.frames for each in self.participants)

    def participant(self, participant_id: str) -> ParticipantStatistics:
        """One participant's statistics.

        Raises:
            KeyError: there is no such participant; the message names the participants.
        """
        for each in self.participants:
            if each.participant_id == participant_id:
                return each
        names = ", ".join(repr(each.participant_id) for each in self.participants) or "no participants"
        raise KeyError(f"expected one of {names}, got {participant_id!r}")


class ServingState(enum.StrEnum):
    """The state of a server as a whole. The wire's names are `SERVING_STATE_<NAME>`."""

    UNSPECIFIED = "unspecified"  # a state that this version does not know
    STARTING = "starting"  # workers start and load the model
    SERVING = "serving"  # frames can be analysed
    NOT_SERVING = "not_serving"  # no frame can be analysed: workers are restarting
    DRAINING = "draining"  # the server stops once the frames in flight are finished


class WorkerState(enum.StrEnum):
    """The state of a worker process, as it is written on the wire."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LayerStatus:
    """One layer of a worker's confinement: its name, "active", "missing", "not_applied" or "off", and why it is
    missing. `gifcue.workers.confinement` explains the layers.
    """

    layer: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process of the server.

    `state` is a `WorkerState`, or the word of a newer server that this version does not know. `pid` is 0 while there is
    no process. `last_failure` is why it was last restarted, empty if it never was. `confinement` is not on the wire.
    `process` is what it takes, None where that is not known.
    """

    name: str
    state: str
    pid: int
    restarts: int
    last_failure: str
    confinement: tuple[LayerStatus, ...] = ()
    process: ProcessStatus | None = None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The state of a server. `gifcue.v1.GetStatusResponse` explains each field."""

    server_version: str
    model: Model | None
    uptime_s: float
    state: ServingState
    streams: int
    participants: int
    frames: FrameCounts
    reactions: Mapping[str, int]
    workers: tuple[WorkerStatus, ...]
    latency_p50_ms: float
    latency_p95_ms: float
    streams_by_status: Mapping[str, int] = field(default_factory=dict)
    capacity: Capacity = field(default_factory=Capacity)
    limits: ServerLimits = field(default_factory=ServerLimits)
    faults: Mapping[str, int] = field(default_factory=dict)
    dismissals: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)
    analysis_fps: float = 0.0
    max_analysis_fps: float = 0.0
    build: BuildInfo = field(default_factory=BuildInfo)
    drain: DrainStatus = field(default_factory=DrainStatus)
    loop_lag: LoopLag = field(default_factory=LoopLag)
    process: ProcessStatus = field(default_factory=ProcessStatus)
    keyframe_requests: int = 0
    stills: StillStatus = field(default_factory=StillStatus)
    rules: RulesStatus = field(default_factory=RulesStatus)
    log_level: str = ""
