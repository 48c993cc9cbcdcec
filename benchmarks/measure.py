"""One measurement: offers a load to a running server and reports the results."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import sender
from benchmarks.footage import PERIOD_S, Footage
from benchmarks.latency import finite, percentile, summary
from benchmarks.participants import Participant
from benchmarks.processes import Child
from benchmarks.sender import FrameTotals, Over, Plan, SenderResult
from benchmarks.server_process import ProcessCost, ServerProcess, spent

# The golden ratio's fractional part: its multiples modulo 1 are evenly spread for any number of participants.
_SPREAD = (math.sqrt(5) - 1) / 2
# The server's default limit of participants on one stream. A larger load gets more media servers.
MOST_ON_A_STREAM = 64
_READY_TIMEOUT_S = 60.0
# Seconds between the last process being ready and the first frame.
_LEAD_S = 0.3


@dataclass(frozen=True)
class Load:
    """An offered load: `mcus` channels, distributed over `senders` processes. `warm_up_s` is not measured.

    `rooms` names the rooms of the channels, as many as there may be channels; without, each has a room of its own.
    """

    participants: int
    fps: float
    seconds: float
    footage: list[Footage]
    mcus: int = 1
    senders: int = 1
    warm_up_s: float = 3.0
    jitter_ms: float = 5.0
    gather_ms: float = 0.0
    seed: int = 1
    cores: frozenset[int] | None = None
    over: Over = Over.GRPC
    rooms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("participants", "fps", "seconds", "mcus", "senders"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")

    def with_participants(self, count: int, seconds: float | None = None) -> Load:
        """The same load with another number of participants, and `seconds` if given."""
        return replace(self, participants=count, seconds=seconds or self.seconds)


def plans(load: Load, target: str) -> list[Plan]:
    """The plan of each process. Participants are assigned to channels in turn, and channels to processes.

    Each variant of the footage begins at its own point of the motion. The participants of one variant begin spread over
    the time between two variants, so that the number of moving participants is constant.
    """
    mcus = max(min(load.mcus, load.participants), math.ceil(load.participants / MOST_ON_A_STREAM))
    senders = min(load.senders, mcus)
    between_s = PERIOD_S / len(load.footage)
    streams: list[list[Participant]] = [[] for _ in range(mcus)]
    for index in range(load.participants):
        offset_s = (index // len(load.footage)) * _SPREAD % 1.0 * between_s
        # Also spread within a frame interval: the cameras of a meeting are not synchronised.
        offset_s += index / load.participants / load.fps
        streams[index % mcus].append(Participant(f"participant-{index}", index % len(load.footage), offset_s))
    return [
        Plan(
            target,
            load.footage,
            streams[place::senders],
            load.fps,
            load.warm_up_s + between_s,
            load.seconds,
            load.jitter_ms,
            load.seed,
            gather_ms=load.gather_ms,
            cores=load.cores,
            over=load.over,
            rooms=load.rooms[:mcus][place::senders],
        )
        for place in range(senders)
    ]


async def measure(server: ServerProcess, load: Load, target: str = "") -> dict[str, Any]:
    """Offers the load and returns the report. `target` is where it connects, by default the server itself.

    Raises:
        RuntimeError: a process of the load generator failed.
    """
    todo = plans(load, target or (server.target if load.over is Over.GRPC else server.http_target))
    children: list[Child] = []
    try:
        for plan in todo:
            children.append(Child(sender.main, plan))
        for child in children:
            _expect(await asyncio.to_thread(child.receive, _READY_TIMEOUT_S), str)
        start_s = time.monotonic() + _LEAD_S
        for child in children:
            child.send(start_s)
        measured_s = start_s + todo[0].warm_up_s
        await asyncio.sleep(measured_s - time.monotonic())
        window_start_s, before = time.monotonic(), server.costs(with_memory=False)
        await asyncio.sleep(max(0.0, measured_s + load.seconds - time.monotonic()))
        window_s, costs = time.monotonic() - window_start_s, spent(before, server.costs())
        timeout_s = todo[0].settle_s + _READY_TIMEOUT_S
        results: list[SenderResult] = [
            _expect(await asyncio.to_thread(child.receive, timeout_s), SenderResult) for child in children
        ]
    finally:
        for child in children:
            child.close()
    return figures(load, results, costs, window_s)


def _expect(answer: object, kind: type[Any]) -> Any:
    if not isinstance(answer, kind) or (kind is str and answer != "ready"):
        raise RuntimeError(f"the load generator failed: {answer}")
    return answer


def figures(
    load: Load, results: Sequence[SenderResult], costs: Sequence[ProcessCost], window_s: float
) -> dict[str, Any]:
    """The report of one measurement, ready for JSON.

    `missing` counts the frames that were dropped, lost on the way, or still in flight after the wait. Frames skipped as
    paced or similar need no decision. `analysed_moving_s` has the minimum and the mean, over participants, of analyses
    per second of motion.
    """
    before, after = FrameTotals(), FrameTotals()
    for each in results:
        before.add(each.before)
        after.add(each.after)
    counts = after.since(before)
    offered = sum(each.offered for each in results)
    latencies = [latency for each in results for latency in each.latencies_ms]
    late = [late for each in results for late in each.late_ms]
    lost = offered - counts.received
    dropped = {reason: count for reason, count in counts.dropped.items() if count}
    rates = [
        analysed / moving_s
        for each in results
        for analysed, moving_s in zip(each.moving_analysed, each.moving_s, strict=True)
        if moving_s
    ]
    faults: Counter[str] = Counter()
    for each in results:
        faults.update(each.faults)
    clip = load.footage[0].clip
    participant_s = load.participants * load.seconds
    sender_cpu_s = sum(each.cpu_s for each in results)
    cores = {each.name: each.cpu_s / window_s for each in costs}
    return {
        "participants": load.participants,
        "fps": load.fps,
        "seconds": load.seconds,
        "codec": clip.codec.value,
        "size": f"{clip.width}x{clip.height}",
        "megabits_per_participant_s": round(
            sum(each.sent_bytes for each in results) * 8e-6 / participant_s, 3
        ),
        "offered": offered,
        "received": counts.received,
        "lost_on_the_way": lost,
        "analysed": counts.analysed,
        "skipped": {reason: count for reason, count in counts.skipped.items() if count},
        "dropped": dropped,
        "in_flight_at_the_beginning": before.in_flight,
        "in_flight_at_the_end": counts.in_flight,
        "consistent": after.is_consistent,
        "analysed_per_participant_s": round(counts.analysed / participant_s, 3),
        "analysed_moving_s": {
            "least": round(min(rates), 3) if rates else None,
            "mean": round(sum(rates) / len(rates), 3) if rates else None,
        },
        "reactions_started": sum(each.reactions_started for each in results),
        "keyframes_asked": sum(each.keyframes_asked for each in results),
        "faults": dict(faults),
        "due_to_decision_ms": summary(latencies, sum(dropped.values()) + lost + counts.in_flight),
        "sender_late_ms": {
            name: finite(percentile(late, share), 1) for name, share in (("p95", 0.95), ("max", 1.0))
        },
        "cpu_cores": {name: round(value, 4) for name, value in cores.items()}
        | {"load generator": round(sender_cpu_s / load.seconds, 4)},
        "server_cpu_ms_per_participant_s": round(sum(cores.values()) * 1000 / load.participants, 3),
        "memory_mb": {
            name: {each.name: round(getattr(each, f"{name}_bytes") / 1e6, 1) for each in costs}
            for name in ("rss", "uss", "pss")
        },
        "server_memory_mb": round(sum(each.pss_bytes for each in costs) / 1e6, 1),
    }
