"""One measurement of a peer under a load, and the search for the most participants that it carries."""

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
from benchmarks.capacity import BOUND_MS, LEAST_ANALYSED_S, Capacity, search
from benchmarks.latency import finite, percentile, summary
from benchmarks.peers import environments
from benchmarks.peers.backends import Backend, environment
from benchmarks.peers.client import Footage, Plan, Seen
from benchmarks.peers.environments import REPOSITORY
from benchmarks.server_process import spent

_LEAD_S = 0.3

Figures = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """What every participant shows and how often it is looked at: `rate` times a second, always or only in motion.

    `clients` processes decode and ask, one a core by default.
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
        """What each client does: the same seats as gifcue's own load, shared out among the processes."""
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
                [seat for stream in plan.streams for seat in stream],
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
    """Offers the load and returns plain figures.

    Raises:
        EnvironmentMissing: the peer was not set up.
        RuntimeError: a client could not do its work; with what it said last.
    """
    python = environments.python_of(backend.peer.name)
    plans = offer.plans(participants, seconds, backend.target)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = []
        for place, plan in enumerate(plans):
            path = folder / f"plan-{place}"
            path.write_bytes(pickle.dumps(plan))
            clients.append(stack.enter_context(_Client(python, backend.peer.name, path)))
        for client in clients:
            client.line("ready")
        start_s = time.monotonic() + _LEAD_S
        for client in clients:
            client.start(start_s)
        measured_s = start_s + plans[0].warm_up_s
        _sleep_until(measured_s)
        before, looked_s = backend.cost(), time.monotonic()
        _sleep_until(measured_s + seconds)
        (cost,), window_s = spent([before], [backend.cost()]), time.monotonic() - looked_s
        seen = [Seen(**json.loads(client.line("figures"))) for client in clients]
    server = {"cores": cost.cpu_s / window_s, "pss_bytes": cost.pss_bytes}
    return figures(backend.peer.name, offer, participants, seconds, seen, server)


def figures(
    name: str, offer: Offer, participants: int, seconds: float, seen: Sequence[Seen], server: dict[str, Any]
) -> Figures:
    """The report of one measurement, ready for JSON. Memory counts shared pages once among those who share them."""
    latencies = [latency for each in seen for latency in each.latencies_ms]
    offered = sum(each.offered for each in seen)
    late = [late for each in seen for late in each.late_ms]
    faults: Counter[str] = Counter()
    for each in seen:
        faults.update(each.faults)
    client_cores = sum(each.cpu_s for each in seen) / seconds
    memory_mb = {
        "client": round(sum(each.pss_bytes for each in seen) / 1e6, 1),
        "server": round(server["pss_bytes"] / 1e6, 1),
    }
    answers = summary(latencies, offered - len(latencies))
    least = min(count for each in seen for count in each.by_seat)
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
        "detections_per_answer": round(sum(each.detections for each in seen) / max(1, len(latencies)), 3),
        "cpu_cores": {"client": round(client_cores, 3), "server": round(server["cores"], 3)},
        "cpu_cores_per_participant": round((client_cores + server["cores"]) / participants, 4),
        "memory_mb": round(sum(memory_mb.values()), 1),
        "memory_mb_by_part": memory_mb,
        "faults": dict(faults),
    }


@dataclass(frozen=True)
class Bounds:
    """What carrying means: 95 of 100 answers in time, every sampled frame answered, and often enough."""

    bound_ms: float = BOUND_MS
    least_analysed_s: float = LEAST_ANALYSED_S

    def why_not(self, figures: Figures) -> str:
        """Why this measurement is over capacity, in a few words; empty where it is not."""
        if figures.get("untried"):
            return "no time left to try it"
        missing = figures["sampled"] - figures["answered"]
        if missing:
            return f"{missing} of {figures['sampled']} sampled frames without an answer"
        if figures["p95_ms"] is None or figures["p95_ms"] > self.bound_ms:
            return f"p95 {figures['p95_ms']} ms, over {self.bound_ms:g}"
        # With the footage half still, those who are looked at only in motion are looked at half as often; and one frame
        # more or less is where the measured time was cut.
        least = min(self.least_analysed_s, figures["rate"]) - 1.0 / figures["seconds"]
        if not figures["moving_only"] and figures["least_analysed_s"] < least:
            return (
                f"a participant analysed {figures['least_analysed_s']} times a second, "
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
    """Searches as gifcue's own capacity is searched, and reports one flat object.

    After `limit_s` no size is tried any more that was not: the answer is the largest one that was carried by then, once
    it is confirmed, and `why_limited` says so.
    """
    begun_s = clock()

    async def once(count: int, confirming: bool) -> Figures:
        if clock() - begun_s > limit_s and not confirming:
            return {"participants": count, "untried": True}
        seen = trial(backend, offer, count, (confirm_s or 2 * seconds) if confirming else seconds)
        verdict = bounds.why_not(seen) or "carried"
        environments.to_stderr(
            f"{backend.peer.name}, {count} participants: p95 {seen['p95_ms']} ms, {verdict}"
        )
        return seen

    return capacity_report(backend.peer.name, bounds, await search(once, bounds.why_not, start, most))


def capacity_report(name: str, bounds: Bounds, capacity: Capacity) -> Figures:
    """The figures of the confirming run on top, null where nothing is carried; every run below."""
    at = capacity.at or {}
    short = ("participants", "p95_ms", "answered", "sampled", "confirming", "why_not", "cpu_cores")
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


class _Client:
    """A client's process."""

    def __init__(self, python: Path, peer: str, plan: Path) -> None:
        self._name = peer
        self._command = [str(python), "-m", "benchmarks.peers.client", peer, str(plan)]

    def __enter__(self) -> _Client:
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            cwd=REPOSITORY,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._process.wait(0 if exc_info[0] else 10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.communicate()
        self._said.close()

    def start(self, start_s: float) -> None:
        """Says when to start, by the monotonic clock."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{start_s!r}\n")
        self._process.stdin.flush()

    def line(self, expected: str) -> str:
        """The next line that it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = "\n".join(self._said.read().strip().splitlines()[-5:])
            raise RuntimeError(f"{self._name}: expected {expected} of the client, it ended: {last}")
        return line
