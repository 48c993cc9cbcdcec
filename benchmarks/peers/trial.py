"""One measurement of a peer under a load, and the search for its capacity."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import footage as offered_footage
from benchmarks import measure
from benchmarks.capacity import BOUND_MS, LEAST_ANALYSED_S
from benchmarks.latency import finite, percentile, summary
from benchmarks.peers import environments
from benchmarks.peers.backends import Backend, environment
from benchmarks.peers.client import ClientResult, Footage, Plan
from benchmarks.peers.environments import REPOSITORY
from benchmarks.server_process import spent
from gifcue.server.capacity.search import Found, search

_LEAD_S = 0.3

Figures = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """The footage of the participants and the rate of sampling, in frames per second, always or only in motion.

    `clients` is the number of processes that decode and send, by default one per core.
    """

    footage: list[offered_footage.Footage]
    fps: float = 30.0
    rate: float = 5.0
    moving_only: bool = False
    warm_up_s: float = 1.0
    jitter_ms: float = 5.0
    seed: int = 1
    clients: int = 0

    def plans(self, participants: int, seconds: float, target: str) -> list[Plan]:
        """The plan of each client: the participants of gifcue's own load, distributed over the processes."""
        clients = min(participants, self.clients or len(os.sched_getaffinity(0)))
        load = measure.Load(
            participants,
            self.fps,
            seconds,
            self.footage,
            mcus=clients,
            senders=clients,
            warm_up_s=self.warm_up_s,
            jitter_ms=self.jitter_ms,
            seed=self.seed,
        )
        footage = [
            Footage(
                each.clip.codec.value,
                each.clip.extradata,
                [packet.payload for packet in each.clip.packets],
                None if each.moving is None else list(each.moving),
            )
            for each in self.footage
        ]
        return [
            Plan(
                target,
                footage,
                [participant for stream in plan.streams for participant in stream],
                self.fps,
                self.rate,
                self.moving_only,
                plan.warm_up_s,
                seconds,
                self.jitter_ms,
                self.seed,
            )
            for plan in measure.plans(load, target)
        ]


def run(backend: Backend, offer: Offer, participants: int, seconds: float) -> Figures:
    """Offers the load and returns the report.

    Raises:
        EnvironmentMissing: the peer was not set up.
        RuntimeError: a client failed. The message has the last lines of its output.
    """
    python = environments.python_of(backend.peer.name)
    plans = offer.plans(participants, seconds, backend.target)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = []
        for place, plan in enumerate(plans):
            path = folder / f"plan-{place}"
            path.write_bytes(pickle.dumps(plan))
            clients.append(stack.enter_context(_ClientProcess(python, backend.peer.name, path)))
        for client in clients:
            client.line("ready")
        start_s = time.monotonic() + _LEAD_S
        for client in clients:
            client.start(start_s)
        measured_s = start_s + plans[0].warm_up_s
        _sleep_until(measured_s)
        before, window_start_s = backend.cost(), time.monotonic()
        _sleep_until(measured_s + seconds)
        (cost,), window_s = spent([before], [backend.cost()]), time.monotonic() - window_start_s
        results = [ClientResult(**json.loads(client.line("figures"))) for client in clients]
    server = {"cores": cost.cpu_s / window_s, "pss_bytes": cost.pss_bytes}
    return figures(backend.peer.name, offer, participants, seconds, results, server)


def figures(
    name: str,
    offer: Offer,
    participants: int,
    seconds: float,
    results: Sequence[ClientResult],
    server: dict[str, Any],
) -> Figures:
    """The report of one measurement, ready for JSON. Memory is proportional: a shared page counts once."""
    latencies = [latency for each in results for latency in each.latencies_ms]
    offered = sum(each.offered for each in results)
    late = [late for each in results for late in each.late_ms]
    faults: Counter[str] = Counter()
    for each in results:
        faults.update(each.faults)
    client_cores = sum(each.cpu_s for each in results) / seconds
    memory_mb = {
        "client": round(sum(each.pss_bytes for each in results) / 1e6, 1),
        "server": round(server["pss_bytes"] / 1e6, 1),
    }
    answers = summary(latencies, offered - len(latencies))
    least = min(count for each in results for count in each.by_participant)
    return {
        "peer": name,
        "participants": participants,
        "seconds": seconds,
        "fps": offer.fps,
        "rate": offer.rate,
        "moving_only": offer.moving_only,
        "sampled": offered,
        "answered": len(latencies),
        "p95_ms": answers["p95"],
        "due_to_answer_ms": answers,
        "client_late_p95_ms": finite(percentile(late, 0.95), 1),
        "analysed_per_participant_s": round(len(latencies) / participants / seconds, 3),
        "least_analysed_s": round(least / seconds, 3),
        "detections_per_answer": round(sum(each.detections for each in results) / max(1, len(latencies)), 3),
        "cpu_cores": {"client": round(client_cores, 3), "server": round(server["cores"], 3)},
        "cpu_cores_per_participant": round((client_cores + server["cores"]) / participants, 4),
        "memory_mb": round(sum(memory_mb.values()), 1),
        "memory_mb_by_part": memory_mb,
        "faults": dict(faults),
    }


@dataclass(frozen=True)
class Bounds:
    """The conditions that a carried load meets: bounds of the p95 and of analyses per second of each participant."""

    bound_ms: float = BOUND_MS
    least_analysed_s: float = LEAST_ANALYSED_S

    def limit_reason(self, figures: Figures) -> str:
        """The condition that this measurement does not meet, in a few words; empty if it meets all."""
        if figures.get("untried"):
            return "no time left to try it"
        missing = figures["sampled"] - figures["answered"]
        if missing:
            return f"{missing} of {figures['sampled']} sampled frames without an answer"
        if figures["p95_ms"] is None or figures["p95_ms"] > self.bound_ms:
            return f"p95 {figures['p95_ms']} ms, over {self.bound_ms:g}"
        # In footage that is half of the time still, `moving_only` halves the analyses. The limits of the measured time
        # can cost one frame.
        least = min(self.least_analysed_s, figures["rate"]) - 1.0 / figures["seconds"]
        if not figures["moving_only"] and figures["least_analysed_s"] < least:
            return (
                f"a participant with {figures['least_analysed_s']} analyses per second, "
                f"under {self.least_analysed_s:g}"
            )
        return ""


async def find_capacity(
    backend: Backend,
    offer: Offer,
    bounds: Bounds,
    seconds: float,
    *,
    start: int = 8,
    most: int = 256,
    confirm_s: float | None = None,
    limit_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    trial: Callable[[Backend, Offer, int, float], Figures] = run,
) -> Figures:
    """Searches in the same way as for gifcue's own capacity, and returns the report.

    After `limit_s` no further number is tried. The result is the largest number carried by then, once it is confirmed,
    and `why_limited` says that the time was over.
    """
    begun_s = clock()

    async def once(count: int, confirming: bool) -> Figures:
        if clock() - begun_s > limit_s and not confirming:
            return {"participants": count, "untried": True}
        figures = trial(backend, offer, count, (confirm_s or 2 * seconds) if confirming else seconds)
        reason = bounds.limit_reason(figures) or "carried"
        environments.to_stderr(
            f"{backend.peer.name}, {count} participants: p95 {figures['p95_ms']} ms, {reason}"
        )
        return figures

    return capacity_report(backend.peer.name, bounds, await search(once, bounds.limit_reason, start, most))


def capacity_report(name: str, bounds: Bounds, capacity: Found) -> Figures:
    """The results of the confirming run, None if nothing is carried, and a summary of every run."""
    at = capacity.at or {}
    short = ("participants", "p95_ms", "answered", "sampled", "confirming", "limit_reason", "cpu_cores")
    return {
        "peer": name,
        "participants": capacity.participants,
        "p95_ms": at.get("p95_ms"),
        "bound_ms": bounds.bound_ms,
        "cpu_cores_per_participant": at.get("cpu_cores_per_participant"),
        "memory_mb": at.get("memory_mb"),
        "analysed_per_participant_s": at.get("analysed_per_participant_s"),
        "why_limited": capacity.why_limited,
        "at_capacity": capacity.at,
        "runs": [{key: each.get(key) for key in short} for each in capacity.runs],
    }


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


class _ClientProcess:
    """The process of a client."""

    def __init__(self, python: Path, peer: str, plan: Path) -> None:
        self._name = peer
        self._command = [str(python), "-m", "benchmarks.peers.client", peer, str(plan)]

    def __enter__(self) -> _ClientProcess:
        self._stderr = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            cwd=REPOSITORY,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._process.wait(0 if exc_info[0] else 10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def start(self, start_s: float) -> None:
        """Sends the start time, on the monotonic clock."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{start_s!r}\n")
        self._process.stdin.flush()

    def line(self, expected: str) -> str:
        """The next line of its output. Raises RuntimeError if it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.wait()
            self._stderr.seek(0)
            last = "\n".join(self._stderr.read().strip().splitlines()[-5:])
            raise RuntimeError(f"{self._name}: expected {expected} of the client, it ended: {last}")
        return line
