"""Measures how many participants this machine carries: a real server under a real load, in about half a minute.

The server is the one of the settings, with its workers, on a port of the loopback. A process of its own streams encoded
video to it (`load`). The number of participants doubles until a load is not carried, is then bisected, and the result
has to hold in a longer run (`search`). A load is carried if next to no frame is dropped, the 95th percentile of latency
is within the bound, and every participant is analysed often enough while its picture moves: the conditions of the
benchmarks, in shorter runs.

Server and load generator share the machine, as nothing else should while this runs. A real media server is elsewhere,
so that the figure is rather too low than too high.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gifcue.access.settings import AccessSettings
from gifcue.delivery.settings import DeliverySettings
from gifcue.errors import ConfigError, Unavailable
from gifcue.server.capacity.footage import Footage, bundled_footage, footage_of
from gifcue.server.capacity.load import Offer, Step
from gifcue.server.capacity.record import MeasuredCapacity
from gifcue.server.capacity.search import Figures, search
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue.server.settings import RulesSettings, ServerSettings, TracingSettings, WhipSettings
from gifcue.workers.cores import usable_cores

BOUND_MS = 150.0
LEAST_ANALYSED_S = 3.0
# Frames that may be dropped: a short run must not fail for one picture that another program on the machine delayed.
_DROPPED_SHARE = 1 / 1000
# The most that is tried: more than one front process takes.
MOST = 2048
# The first number, for each core.
_START_PER_CORE = 16
# Short runs do not tell smaller differences.
_RESOLUTION = 1 / 20
_SETTLE_S, _RUN_S, _CONFIRM_S = 1.0, 1.5, 6.0
# Seconds that are not measured after a load that was too much: participants that were paused are served again.
_RECOVER_S = 2.5
# Seconds that the load generator may take to start, and for a step beyond its length.
_START_TIMEOUT_S = 60.0
_STEP_GRACE_S = 30.0


class MeasuringFailed(Unavailable):
    """The capacity could not be measured; the message says why."""


async def measure(
    settings: Settings,
    *,
    clip: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
    time_share: float = 1.0,
    most: int = MOST,
    detector_target: str | None = None,
) -> MeasuredCapacity:
    """Measures with the workers and the detector of `settings`; everything else of them is left out, ports included.

    `clip` is a file of the participants' video, None the clip that comes with gifcue. `report` gets a line for each
    run. Tests shorten all runs with `time_share`, bound the search with `most`, and replace the detector (`Server`).

    Raises:
        MeasuringFailed: the load generator failed, or not even one participant is carried.
        ConfigError: the clip is no video, or does not begin with a keyframe.
        WorkerStartError: the server does not start with these settings.
    """
    began_s = time.monotonic()
    shown = _footage(clip).clip
    width, height, fps = shown.width, shown.height, shown.fps
    async with Server(_alone(settings, fps), detector_target=detector_target) as server:
        offer = Offer(f"127.0.0.1:{server.listen_port}", BOUND_MS, str(clip) if clip else None)
        async with LoadProcess(offer) as load:
            runs = _Runs(load, 1000.0 / fps, time_share, report)
            start = max(1, int(_START_PER_CORE * usable_cores()))
            found = await search(runs.run, runs.limit_reason, start, most, _RESOLUTION)
    if found.at is None:
        raise MeasuringFailed(
            "expected an otherwise idle machine that carries at least one participant, "
            f"got none carried: {found.why_limited}"
        )
    return MeasuredCapacity(
        participants=found.participants,
        p95_ms=found.at["p95_ms"],
        width=width,
        height=height,
        fps=fps,
        cores=round(usable_cores(), 2),
        took_s=round(time.monotonic() - began_s, 1),
        measured_at=round(time.time()),
        why_limited=found.why_limited,
    )


def _footage(clip: Path | None) -> Footage:
    if clip is None:
        return bundled_footage()
    try:
        return footage_of(clip)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ConfigError(f"{clip}: expected a video file, got one that cannot be used: {error}") from None


def _alone(settings: Settings, fps: float) -> Settings:
    """The settings of a server that only this measurement reaches, and that refuses no load."""
    nowhere = dict.fromkeys(("http_listen", "operator_listen", "operator_http_listen"), "")
    server = ServerSettings(listen="127.0.0.1:0", idle_timeout_s=0.0, drain_timeout_s=1.0, **nowhere)
    limits = settings.limits.model_copy(
        update={
            "max_participants": MOST,
            "max_participants_per_stream": MOST,
            "max_fps": max(settings.limits.max_fps, int(2 * fps)),
        }
    )
    parts = {
        "access": AccessSettings(),
        "rules": RulesSettings(),
        "delivery": DeliverySettings(),
        "whip": WhipSettings(),
        "tracing": TracingSettings(),
    }
    return settings.model_copy(update={"server": server, "limits": limits, **parts})


class LoadProcess:
    """The load generator's process (`load`). Leaving the block ends it."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> LoadProcess:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gifcue.server.capacity.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await self._ask(asdict(self._offer), _START_TIMEOUT_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def step(self, step: Step) -> Figures:
        """Runs a step. Raises MeasuringFailed where the process fails."""
        answer = await self._ask(asdict(step), step.settle_s + step.seconds + _STEP_GRACE_S)
        assert isinstance(answer, dict), "expected the load generator to answer a step with figures"
        return answer

    async def _ask(self, message: dict[str, Any], timeout_s: float) -> Any:
        process = self._process
        assert process is not None, "expected a started load generator"
        assert process.stdin is not None, "expected a pipe to the load generator"
        assert process.stdout is not None, "expected a pipe from the load generator"
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(timeout_s):
                line = await process.stdout.readline()
        except TimeoutError:
            raise MeasuringFailed(f"expected the load generator's answer within {timeout_s:g} s") from None
        except ConnectionError:
            line = b""
        if not line:
            raise MeasuringFailed("expected the load generator's answer, its process has ended")
        return json.loads(line)


class _Runs:
    """The runs of a search."""

    def __init__(
        self, load: LoadProcess, frame_ms: float, time_share: float, report: Callable[[str], None]
    ) -> None:
        self._load = load
        self._frame_ms = frame_ms
        self._time_share = time_share
        self._report = report
        self._is_adapted = False
        self._was_too_much = False

    async def run(self, participants: int, confirming: bool) -> Figures:
        figures = await self._run(participants, confirming)
        if self.limit_reason(figures) and not self._is_adapted:
            # The first load that is too much for the full analysis rate may be carried at a lower one. The rate has
            # fallen meanwhile, and hardly rises again in the time of a measurement.
            self._is_adapted = True
            figures = await self._run(participants, confirming)
        return figures

    async def _run(self, participants: int, confirming: bool) -> Figures:
        seconds = (_CONFIRM_S if confirming else _RUN_S) * self._time_share
        settle_s = (_RECOVER_S if self._was_too_much else _SETTLE_S) * self._time_share
        figures = await self._load.step(Step(participants, settle_s, seconds))
        reason = self.limit_reason(figures) or "carried"
        self._was_too_much = reason != "carried"
        self._report(f"{participants} participants: p95 {figures['p95_ms']} ms, {reason}")
        return figures

    def limit_reason(self, figures: Figures) -> str:
        """The condition that these figures do not meet, in a few words; nothing where they meet all."""
        p95_ms, least = figures["p95_ms"], figures["least_analysed_s"]
        if figures["late_p95_ms"] > self._frame_ms:
            return f"the load generator was late: p95 {figures['late_p95_ms']} ms"
        if figures["refused_joins"]:
            return f"{figures['refused_joins']} joins were refused, because the server had more to decode than it could"
        if sum(figures["dropped"].values()) > _DROPPED_SHARE * figures["offered"]:
            return "dropped: " + ", ".join(f"{name} {count}" for name, count in figures["dropped"].items())
        if p95_ms is None or p95_ms > BOUND_MS:
            return f"p95 {p95_ms} ms, over {BOUND_MS:g}"
        if least is not None and least < LEAST_ANALYSED_S:
            return f"a participant with {least} analyses a second of motion, under {LEAST_ANALYSED_S:g}"
        return ""
