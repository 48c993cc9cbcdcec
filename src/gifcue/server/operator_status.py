"""Collects the state of a server for its operator."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace

from gifcue import __version__
from gifcue.engine.engine import Engine
from gifcue.engine.settings import LimitSettings
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
from gifcue.protocol.statistics import ServerStatus, ServingState, WorkerStatus
from gifcue.rules.watch import BookWatcher
from gifcue.server.config import Settings
from gifcue.server.logs import log_level
from gifcue.server.loop_lag import LoopLag as LagMeter
from gifcue.server.streams import Streams
from gifcue.workers.activity import activity_of
from gifcue.workers.memory import resident_bytes


class StatusReader:
    """Reads the figures of every part of a server. `clock` is in seconds; `state` gives the state of the server."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        streams: Streams,
        book: BookWatcher,
        lag: LagMeter,
        state: Callable[[], ServingState],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._streams = streams
        self._book = book
        self._lag = lag
        self._state = state
        self._clock = clock
        self._started_s = clock()
        # True once the process is asked to end.
        self.exits = False

    def read(self) -> ServerStatus:
        """The state as it stands."""
        figures = self._engine.statistics()
        limits = limits_of(self._settings, self._engine.limits)
        rules, lag = self._book.statistics(), self._lag.statistics()
        ready = self._engine.is_ready
        return ServerStatus(
            server_version=__version__,
            model=self._engine.model if ready else None,
            uptime_s=self._clock() - self._started_s,
            state=self._state(),
            streams=figures.sessions,
            participants=figures.participants,
            frames=figures.frames,
            reactions=figures.reactions,
            workers=tuple(_measured(worker) for worker in figures.workers),
            latency_p50_ms=figures.latency.p50_ms,
            latency_p95_ms=figures.latency.p95_ms,
            streams_by_status=self._streams.ended,
            capacity=Capacity(
                figures.participants, limits.max_participants, self._streams.count, limits.max_streams
            ),
            limits=limits,
            faults=figures.faults,
            dismissals=figures.dismissals,
            withheld=rules.withheld,
            analysis_fps=figures.analysis_fps,
            max_analysis_fps=self._settings.media.max_analysis_fps,
            build=BuildInfo(
                __version__, platform.python_version(), self._engine.model.sha256 if ready else ""
            ),
            drain=DrainStatus(
                self._streams.refuses, self.exits, self._streams.moving, self._streams.asked_to_move
            ),
            loop_lag=LoopLag(
                lag.sum_s * 1000 / max(1, sum(lag.counts)),
                lag.max_s * 1000,
            ),
            process=process_of(os.getpid()) or ProcessStatus(),
            keyframe_requests=figures.keyframe_requests,
            stills=StillStatus(
                figures.stills.places, figures.stills.decoded, figures.stills.failed, figures.stills.refused
            ),
            rules=RulesStatus(rules.taken, rules.refused, self._book.problem is not None, self._book.sha256),
            log_level=log_level(),
        )


def limits_of(settings: Settings, limits: LimitSettings) -> ServerLimits:
    """The limits in force. `limits` are the engine's, in which the capacity is known."""
    server = settings.server
    return ServerLimits(
        max_streams=server.max_streams,
        max_participants=limits.most_participants,
        max_participants_per_stream=limits.max_participants_per_stream,
        max_frame_bytes=limits.max_frame_bytes,
        max_fps=limits.max_fps,
        max_pixels=settings.media.max_pixels,
        idle_timeout_ms=round(server.idle_timeout_s * 1000),
        drain_timeout_ms=round(server.drain_timeout_s * 1000),
    )


def process_of(pid: int) -> ProcessStatus | None:
    """What a process takes; None where it is gone or the system does not say."""
    activity = activity_of(pid)
    return None if activity is None else ProcessStatus(activity.cpu_s, resident_bytes(pid))


def _measured(worker: WorkerStatus) -> WorkerStatus:
    return replace(worker, process=process_of(worker.pid)) if worker.pid else worker
