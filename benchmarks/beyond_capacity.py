"""What a load beyond the capacity costs those who are in, and when those who were refused get in.

    python -m benchmarks.beyond_capacity [--participants 40] [--seconds 10] [--json]

1. A server with `limits.max_participants` carries as many participants. Their p95 is the base.
2. As many further clients try to open a stream each, and come back when they are told to. The p95 of those who are in
   is compared with the base.
3. A second server starts, and the refused clients know both. Reported is how long it takes from then until all are in.

Both servers and the load share this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from benchmarks.footage import own_footage
from benchmarks.load import machine, show
from benchmarks.measure import Load, measure
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess
from gifcue.client import Codec, ReactionClient, StreamOptions
from gifcue.client.exceptions import ServerError

_METHOD = "/gifcue.v1.ReactionService/StreamReactions"
_ALL_IN_TIMEOUT_S = 60.0
RATIO = 1.3


@dataclass
class Refused:
    """What the further clients were told. `waits_ms` are the times that servers named."""

    attempts: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    waits_ms: list[int] = field(default_factory=list)
    without_time: int = 0


class Knocker:
    """One further client. It tries the servers in turn, and waits as long as it is told to."""

    def __init__(self, name: str, targets: list[str], told: Refused) -> None:
        self._name = name
        self._targets = targets
        self._told = told
        self.is_in = asyncio.Event()
        self.in_at_s = 0.0

    async def run(self) -> None:
        """Tries until it is in, and then stays."""
        turn = 0
        while True:
            target = self._targets[turn % len(self._targets)]
            turn += 1
            wait_s = await self._try(target)
            # With several servers the next one is tried at once; after a round, the time counts.
            await asyncio.sleep(wait_s if turn % len(self._targets) == 0 else 0.05)

    async def _try(self, target: str) -> float:
        """Stays once it is in; otherwise returns the seconds to wait."""
        self._told.attempts += 1
        options = StreamOptions(room_id=self._name)
        try:
            async with ReactionClient(target) as client, client.open(options) as stream:
                await stream.join(self._name, Codec.H264, allowed_labels=["smile"])
                if (await stream.statistics()).participants:
                    self.in_at_s = time.monotonic()
                    self.is_in.set()
                    await asyncio.Event().wait()
                self._count("TOO_MANY_PARTICIPANTS")
                return 1.0
        except ServerError as error:
            self._count(error.code)
            if error.retry_after_s is None:
                self._told.without_time += 1
                return 1.0
            self._told.waits_ms.append(round(error.retry_after_s * 1000))
            return error.retry_after_s

    def _count(self, status: str) -> None:
        self._told.statuses[status] = self._told.statuses.get(status, 0) + 1


async def run(participants: int, seconds: float) -> dict[str, Any]:
    """The report, ready for JSON."""
    load = Load(participants, 30.0, seconds, own_footage(), mcus=2, gather_ms=5.0)
    limit = {"GIFCUE_LIMITS__MAX_PARTICIPANTS": str(participants)}
    async with ServerProcess([], limit) as first:
        base = await measure(first, load)
        measuring = asyncio.create_task(measure(first, load))
        # They come once the participants of the load have joined.
        await _full(first.target)
        async with _Crowd(participants, [first.target]) as crowd:
            beyond = await measuring
            told, were_in = crowd.told, crowd.count
        # Participants that send nothing keep the first server full.
        async with _Crowd(participants, [first.target]) as holding:
            await holding.all_in()
            targets = [first.target]
            async with _Crowd(participants, targets) as coming, ServerProcess([], limit) as second:
                up_s, were_in_before = time.monotonic(), coming.count
                targets.append(second.target)
                took_s = await coming.all_in() - up_s
    p95_ms = base["due_to_decision_ms"]["p95"], beyond["due_to_decision_ms"]["p95"]
    ratio = p95_ms[1] / p95_ms[0] if all(p95_ms) else None
    return {
        "machine": machine(),
        "participants": participants,
        "base_p95_ms": p95_ms[0],
        "beyond_p95_ms": p95_ms[1],
        "ratio": None if ratio is None else round(ratio, 2),
        "within": ratio is not None and ratio <= RATIO,
        "dropped": beyond["dropped"],
        "further_clients": participants,
        "in_while_full": were_in + were_in_before,
        "refusals_under_load": dict(told.statuses),
        "told_ms": [min(told.waits_ms, default=None), max(told.waits_ms, default=None)],
        "refusals_without_a_time": told.without_time + coming.told.without_time,
        "all_in_after_s": round(took_s, 2),
    }


async def _full(target: str) -> None:
    """Returns once a server refuses streams because it is full."""
    async with asyncio.timeout(_ALL_IN_TIMEOUT_S), grpc.aio.insecure_channel(target) as channel:
        while True:
            call: Any = channel.stream_stream(_METHOD)()
            await call.done_writing()
            if await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                return
            await asyncio.sleep(0.2)


class _Crowd:
    """So many clients that try to get in. `targets` may get further servers meanwhile."""

    def __init__(self, count: int, targets: list[str]) -> None:
        self.told = Refused()
        self._knockers = [Knocker(f"further-{number}", targets, self.told) for number in range(count)]

    async def __aenter__(self) -> _Crowd:
        self._tasks = [asyncio.create_task(each.run()) for each in self._knockers]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def count(self) -> int:
        """Clients that are in."""
        return sum(each.is_in.is_set() for each in self._knockers)

    async def all_in(self) -> float:
        """The time at which the last one got in, by the monotonic clock."""
        async with asyncio.timeout(_ALL_IN_TIMEOUT_S):
            await asyncio.gather(*(each.is_in.wait() for each in self._knockers))
        return max(each.in_at_s for each in self._knockers)


def main() -> None:
    """The command line."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.beyond_capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--participants", type=int, default=40, help="the limit, and the number of those in")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time of each of the two runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments.participants, arguments.seconds))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, "beyond the capacity")


if __name__ == "__main__":
    main()
