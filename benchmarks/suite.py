"""All benchmarks of gifcue's speed in one run: `make bench`.

    python -m benchmarks.suite [--quick] [--out DIR] [--pictures DIR] [--only capacity,ceiling]

Prints one table, and writes results.json and the charts to `--out` (by default bench-out). It takes less than 15
minutes on two cores. `--quick` takes about one and omits the peers. Run it on an otherwise idle machine: other work
distorts the results. If a part fails or no time is left for it, its row says so and the other parts continue.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import ceiling, scaling
from benchmarks.annotations import measure as measure_annotations
from benchmarks.annotations import pictures as annotated_pictures
from benchmarks.bare import Bare, saturate
from benchmarks.capacity import Bounds, find_capacity
from benchmarks.footage import KEYFRAME_S, Footage, own_footage
from benchmarks.load import capacity_report, machine
from benchmarks.measure import Load, measure
from benchmarks.peers.environments import NAMES as PEERS
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess
from benchmarks.table import show, summary
from gifcue.protocol.codecs import Codec

FPS = 30.0
SIZE = (640, 360)
MCUS = 2
# A media server sends the frames that become due within this time as one message. The wait counts as latency.
GATHER_MS = 5.0
# The parts in the order of measurement, the most important first, with the seconds that each takes on two cores.
PARTS = {
    "ceiling": 12.0,
    "memory": 12.0,
    "capacity": 150.0,
    "stages": 20.0,
    "curve": 35.0,
    "annotations": 45.0,
    "peers": 330.0,
    "cores": 110.0,
    "batches": 10.0,
    "codecs": 70.0,
    "sizes": 60.0,
}
# Consecutive parts of these share a server. Memory is measured first, before other participants used the server.
WITH_SERVER = ("memory", "capacity", "stages", "curve", "codecs", "sizes")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """The seconds of each measurement, and the limits of searches.

    A part does not start if it would not end within `limit_s`. Parts take `share` of the time given in `PARTS`.
    """

    limit_s: float = 14.5 * 60
    share: float = 1.0
    run_s: float = 8.0
    confirm_s: float = 20.0
    warm_up_s: float = 3.0
    bare_s: float = 8.0
    table_s: float = 5.0
    batch_s: float = 1.5
    peer_s: float = 6.0
    peer_search_s: float = 75.0
    peer_limit_s: float = 190.0
    start: int = 8
    most: int = 512
    below_capacity: int = 8
    above_capacity: tuple[float, ...] = (1.25, 1.6)
    clip_s: float = 12.0
    variants: int = 4
    batches: tuple[int, ...] = (1, 2, 4, 8)
    codecs: tuple[Codec, ...] = scaling.CODECS
    sizes: tuple[tuple[int, int], ...] = scaling.SIZES


QUICK = Budget(
    limit_s=300.0,
    share=0.1,
    run_s=1.0,
    confirm_s=1.0,
    warm_up_s=0.5,
    bare_s=1.0,
    table_s=1.0,
    batch_s=0.2,
    peer_s=1.0,
    peer_search_s=4.0,
    peer_limit_s=60.0,
    start=1,
    most=2,
    below_capacity=2,
    above_capacity=(),
    clip_s=4.0,
    variants=1,
    batches=(1, 2),
    codecs=(Codec.VP8,),
    sizes=((320, 180),),
)


class Suite:
    """One run. `report` receives progress. `parts` has the results by part, `failed` the reasons of failed parts."""

    def __init__(self, budget: Budget, report: Callable[[str], None]) -> None:
        self._budget = budget
        self._report = report
        self._started_s = time.monotonic()
        self._bare: Bare | None = None
        self._server: ServerProcess | None = None
        self._footage: list[Footage] = []
        self.parts: dict[str, Figures] = {}
        self.failed: dict[str, str] = {}
        self.took_s: dict[str, float] = {}

    async def run(self, parts: frozenset[str]) -> None:
        """Measures the given parts in the order of `PARTS`, in which later parts use results of earlier ones."""
        budget = self._budget
        self._footage = own_footage(
            Codec.H264, SIZE, FPS, KEYFRAME_S, variants=budget.variants, clip_s=budget.clip_s
        )

        wanted = [name for name in PARTS if name in parts]
        work: dict[str, Callable[[], Awaitable[Figures]]] = {
            name: getattr(self, f"_{name}") for name in wanted
        }
        for with_server, names in itertools.groupby(wanted, lambda name: name in WITH_SERVER):
            async with contextlib.AsyncExitStack() as stack:
                if with_server:
                    self._server = await stack.enter_async_context(ServerProcess([]))
                for name in names:
                    await self._part(name, work[name])
            self._server = None

    async def _part(self, name: str, work: Callable[[], Awaitable[Figures]]) -> None:
        started_s = time.monotonic()
        left_s = self._budget.limit_s - (started_s - self._started_s)
        if left_s < self._budget.share * PARTS[name]:
            self.failed[name] = f"not measured: {left_s:.0f} s were left"
            return
        self._report(f"{name} …")
        try:
            self.parts[name] = await work()
        except Exception as error:
            # The other parts continue. The exit status of the command reports the failure.
            self.failed[name] = f"failed: {type(error).__name__}: {error}"
        self.took_s[name] = round(time.monotonic() - started_s, 1)
        self._report(f"{name}: {self.took_s[name]:.0f} s {self.failed.get(name, '')}")

    def _load(self, participants: int, seconds: float) -> Load:
        return Load(
            participants,
            FPS,
            seconds,
            self._footage,
            mcus=MCUS,
            warm_up_s=self._budget.warm_up_s,
            gather_ms=GATHER_MS,
        )

    @property
    def _running(self) -> ServerProcess:
        assert self._server is not None, "expected a running server"
        return self._server

    # Parts

    async def _ceiling(self) -> Figures:
        self._bare = await asyncio.to_thread(saturate, self._footage, FPS, self._budget.bare_s)
        return ceiling.report(self._bare, FPS)

    async def _memory(self) -> Figures:
        """One participant on a newly started server."""
        return await measure(self._running, self._load(1, self._budget.table_s))

    async def _capacity(self) -> Figures:
        budget = self._budget
        found = await find_capacity(
            self._running,
            self._load(budget.start, budget.run_s),
            Bounds(),
            most=budget.most,
            confirm_s=budget.confirm_s,
            report=self._report,
        )
        if found.at is not None and self._bare is not None:
            self.parts["ceiling"]["share"] = ceiling.shares(self._bare, found.at, FPS)
        return capacity_report(found)

    async def _stages(self) -> Figures:
        load = self._load(self._budget.below_capacity, self._budget.run_s)
        rows, figures = await scaling.stages(self._running, load, self._bare)
        share = ceiling.shares(self._bare, figures, FPS) if self._bare is not None else None
        return {"rows": rows, "run": figures, "share_below_capacity": share}

    async def _curve(self) -> Figures:
        """The runs of the search by number of participants, and some beyond the capacity."""
        capacity = self.parts.get("capacity", {"carried": 0, "runs": []})
        runs = list(capacity["runs"])
        for factor in self._budget.above_capacity:
            count = round(capacity["carried"] * factor)
            if count and all(run["participants"] != count for run in runs):
                runs.append(await measure(self._running, self._load(count, self._budget.run_s)))
        # Of several runs with the same number of participants the last is used, which is the longest.
        latest = {run["participants"]: run for run in runs}
        return {"rows": [scaling.load_row(latest[count]) for count in sorted(latest)]}

    async def _codecs(self) -> Figures:
        load = self._load(scaling.PARTICIPANTS, self._budget.table_s)
        return {"rows": await scaling.codecs(self._running, load, self._rate, self._budget.codecs)}

    async def _sizes(self) -> Figures:
        load = self._load(scaling.PARTICIPANTS, self._budget.table_s)
        return {"rows": await scaling.sizes(self._running, load, self._rate, self._budget.sizes)}

    @property
    def _rate(self) -> float:
        """Analyses per second and participant at capacity, 3 if unknown."""
        at = self.parts.get("capacity", {}).get("at_capacity")
        return float(at["analysed_per_participant_s"]) if at else 3.0

    @property
    def _moving_rate(self) -> float:
        """Analyses per second of motion and participant at capacity, 3 if unknown."""
        at = self.parts.get("capacity", {}).get("at_capacity")
        return float(at["analysed_moving_s"]["mean"]) if at else 3.0

    async def _annotations(self) -> Figures:
        return await measure_annotations(annotated_pictures(None, SIZE), self._budget.bare_s)

    async def _cores(self) -> Figures:
        """The capacity on fewer cores than all."""
        counts = range(1, len(os.sched_getaffinity(0)))
        found = await scaling.cores_against_capacity(
            self._load(max(1, self._half_carried), self._budget.run_s),
            Bounds(),
            [count for count in (1, 2, 4) if count in counts],
            confirm_s=self._budget.run_s,
            report=self._report,
        )
        return {"carried": {str(count): each.participants for count, each in found.items()}}

    @property
    def _half_carried(self) -> int:
        """Where the search on fewer cores begins: near the expected result."""
        carried = self.parts.get("capacity", {}).get("carried", self._budget.start)
        return int(carried // 2)

    async def _batches(self) -> Figures:
        rows = await asyncio.to_thread(scaling.batches, self._budget.batches, "litert", self._budget.batch_s)
        return {"rows": rows}

    async def _peers(self) -> Figures:
        return {"rows": {name: await self._peer(name) for name in PEERS}}

    async def _peer(self, name: str) -> Figures:
        """The capacity of a peer, or the reason why it is unknown.

        The peer analyses frames at the rate that gifcue had at capacity during motion. A peer without a filter cannot
        detect motion, and a lower rate would not meet the condition that gifcue meets.
        """
        self._report(f"peer {name} …")
        command = [sys.executable, "-m", "benchmarks.peers", "capacity", "--peer", name, "--json"]
        command += ["--seconds", f"{self._budget.peer_s:g}", "--bound-ms", f"{Bounds().bound_ms:g}"]
        command += ["--limit-s", f"{self._budget.peer_search_s:g}", "--rate", f"{self._moving_rate:g}"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), self._budget.peer_limit_s)
        except TimeoutError:
            process.terminate()
            await process.wait()
            return {"why": f"no answer within {self._budget.peer_limit_s:g} s"}
        if process.returncode:
            lines = err.decode(errors="replace").strip().splitlines()
            return {"why": lines[-1] if lines else f"exit status {process.returncode}"}
        answer = json.loads(out)
        return dict(answer)


def parts_of(text: str) -> frozenset[str]:
    """The parts named in "capacity,ceiling". Raises ArgumentTypeError if one is unknown."""
    names = frozenset(text.split(","))
    if names - set(PARTS):
        message = f"expected some of {','.join(PARTS)}, got {','.join(sorted(names - set(PARTS)))}"
        raise argparse.ArgumentTypeError(message)
    return names


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """The command line. Exits with status 1 if a part failed."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="very short runs, which only show that everything works"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="the folder of the results")
    parser.add_argument("--pictures", type=Path, help="the folder of the charts, by default --out")
    parser.add_argument(
        "--only", type=parts_of, default=frozenset(), help=f"parts to measure: some of {','.join(PARTS)}"
    )
    arguments = parser.parse_args()
    budget = QUICK if arguments.quick else Budget()
    suite = Suite(budget, _print_progress)
    started_s = time.monotonic()
    about = machine()
    # Starting the peers' servers takes longer than all other parts of a quick run.
    parts = arguments.only or frozenset(PARTS) - ({"peers"} if arguments.quick else frozenset())
    asyncio.run(suite.run(parts))
    results = {
        "machine": about,
        "quick": arguments.quick,
        "budget": asdict(budget),
        "took_s": {**suite.took_s, "all": round(time.monotonic() - started_s, 1)},
        "parts": suite.parts,
        "failed": suite.failed,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show(summary(suite.parts, suite.failed))
    from benchmarks.pictures import draw

    for path in draw(results, arguments.pictures or arguments.out):
        _print_progress(f"drew {path}")
    _print_progress(f"{about['cores']} cores of {about['processor']}, {results['took_s']['all']} s")
    sys.exit(1 if suite.failed else 0)


if __name__ == "__main__":
    main()
