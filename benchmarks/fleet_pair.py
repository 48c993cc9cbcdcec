"""Two one-core servers against one: how much more they carry, behind each proxy and with client placement.

    python -m benchmarks.fleet_pair [--through client,haproxy,envoy,nginx] [--seconds 6] [--json]

The baseline is one server, its proxy and its load generator on one core. Each half of the pair is the same on a core of
its own: a server, its load generator, and half of the proxy's threads. A half's rooms are those that are placed at its
server: by the client library's own rule, or by the proxy as it decides. A load is carried where each half meets the
conditions of `benchmarks.capacity`, except that one frame in a thousand may be dropped, as in `gifcue capacity`: one
picture that the machine delays must not end the search of a pair, which has twice as many as that of one server. Two
cores are used, whatever the machine has. One search takes about a minute, and each entry of --through needs two. Run it
on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.capacity import Bounds
from benchmarks.footage import KEYFRAME_S, own_footage
from benchmarks.load import machine, size_of
from benchmarks.measure import Load, measure
from benchmarks.processes import exit_on_sigterm
from benchmarks.proxies import PROXIES, Backend, Proxy
from benchmarks.server_process import ServerProcess
from gifcue.client import ReactionClient, Server, StreamOptions, room_key
from gifcue.client.exceptions import ServerError
from gifcue.client.rendezvous import ranked
from gifcue.protocol.codecs import Codec
from gifcue.server.capacity.search import Figures, Found, search

CLIENT = "client"
MIN_RATIO = 1.85
MCUS = 2
# Rooms of each half: more than a load ever has channels.
_ROOMS = 8
_GROWTH = 1.12
DROPPED_SHARE = 1 / 1000
_PROXY_READY_S = 20.0


class Pair:
    """Two servers, or one that takes all rooms, and where a room's stream connects."""

    def __init__(self, servers: Sequence[ServerProcess], proxy: Proxy | None) -> None:
        self.servers = list(servers)
        self.proxy = proxy

    def target(self, half: int) -> str:
        """Where the load generator of this half connects."""
        return self.servers[half].target if self.proxy is None else self.proxy.target

    async def rooms(self) -> list[tuple[str, ...]]:
        """For each server, rooms that are placed there."""
        found: list[list[str]] = [[] for _ in self.servers]
        for number in range(1000):
            room = f"meeting-{number}"
            half = await self._half(room)
            if len(found[half]) < _ROOMS:
                found[half].append(room)
            if all(len(each) == _ROOMS for each in found):
                return [tuple(each) for each in found]
        raise RuntimeError(f"expected rooms at every server, got {[len(each) for each in found]} of 1000")

    async def _half(self, room: str) -> int:
        if self.proxy is None:
            addresses = [Server(each.target) for each in self.servers]
            return addresses.index(ranked(room_key(room), addresses)[0])
        async with (
            ReactionClient(self.proxy.target) as client,
            client.open(StreamOptions(room_id=room)) as stream,
        ):
            for half, server in enumerate(self.servers):
                async with ReactionClient(server.operator_target) as operator:
                    page = await operator.streams()
                if any(each.session_id == stream.ready.session_id for each in page.streams):
                    return half
        raise RuntimeError(f"expected the stream of {room} on a server, got it on none")


@contextlib.asynccontextmanager
async def running(through: str, cores: Sequence[int], folder: Path) -> AsyncIterator[Pair]:
    """A server on each of the cores, and the proxy on all of them."""
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(ServerProcess([], cores={core}, http=True, operator=True))
            for core in cores
        ]
        proxy = None
        if through != CLIENT:
            backends = [Backend.of(each) for each in servers]
            proxy = PROXIES[through](folder, (backends * 2)[:2], cores=cores)
            await stack.enter_async_context(proxy)
            spread_threads(proxy, cores)
            await wait_until_open(proxy)
        yield Pair(servers, proxy)


def spread_threads(proxy: Proxy, cores: Sequence[int]) -> None:
    """Pins the proxy's threads to the cores in turn, so that each half has its share."""
    threads = sorted(thread.id for pid in proxy.pids for thread in psutil.Process(pid).threads())
    for place, thread in enumerate(threads):
        os.sched_setaffinity(thread, {cores[place % len(cores)]})


async def wait_until_open(proxy: Proxy) -> None:
    """Returns once a stream can be opened through the proxy."""
    async with asyncio.timeout(_PROXY_READY_S), ReactionClient(proxy.target) as client:
        while True:
            with contextlib.suppress(ServerError):
                async with client.open():
                    return
            await asyncio.sleep(0.1)


async def carried(
    pair: Pair,
    load: Load,
    bounds: Bounds,
    cores: Sequence[int],
    start: int,
    confirm_s: float,
    report: Callable[[str], None],
) -> Found:
    """The participants that each half carries while the other carries as many."""
    rooms = await pair.rooms()

    async def run(count: int, confirming: bool) -> Figures:
        offered = load.with_participants(count, confirm_s if confirming else None)
        halves = await asyncio.gather(
            *(
                measure(
                    server,
                    replace(offered, cores=frozenset({cores[half]}), rooms=rooms[half]),
                    pair.target(half),
                )
                for half, server in enumerate(pair.servers)
            )
        )
        reasons = [bounds.limit_reason(each) for each in halves]
        shown = ", ".join(
            f"p95 {each['due_to_decision_ms']['p95']} ms {reason or 'carried'}"
            for each, reason in zip(halves, reasons, strict=True)
        )
        report(f"  {count} participants on each of {len(halves)}: {shown}")
        return {"halves": halves, "reasons": reasons}

    def limit_reason(figures: Figures) -> str:
        return "; ".join(reason for reason in figures["reasons"] if reason)

    return await search(run, limit_reason, start, 512, growth=_GROWTH)


async def compare(
    through: str,
    load: Load,
    bounds: Bounds,
    cores: Sequence[int],
    start: int,
    confirm_s: float,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """The capacity of one server and of two, and their ratio."""
    found: list[Found] = []
    for used in (cores[:1], cores):
        report(f"{through}: {len(used)} server{'s' if len(used) > 1 else ''}")
        with tempfile.TemporaryDirectory() as folder:
            async with running(through, used, Path(folder)) as pair:
                found.append(await carried(pair, load, bounds, used, start, confirm_s, report))
        # The next search begins where it is likely to pass.
        start = max(1, int(found[-1].participants * 0.9))
    one, each_half = found
    return {
        "through": through,
        "one_server": one.participants,
        "each_of_two": each_half.participants,
        "two_servers": 2 * each_half.participants,
        "ratio": round(2 * each_half.participants / one.participants, 3) if one.participants else 0.0,
        "why_limited": {"one": one.why_limited, "two": each_half.why_limited},
        "p95_ms": {
            name: [half["due_to_decision_ms"]["p95"] for half in each.at["halves"]] if each.at else []
            for name, each in (("one", one), ("two", each_half))
        },
        "cpu_cores": {
            name: [half["cpu_cores"] for half in each.at["halves"]] if each.at else []
            for name, each in (("one", one), ("two", each_half))
        },
    }


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way to the servers."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("expected two cores, got one")
    footage = own_footage(Codec.H264, arguments.size, arguments.fps, KEYFRAME_S)
    load = Load(
        arguments.start, arguments.fps, arguments.seconds, footage, mcus=MCUS, gather_ms=5.0, warm_up_s=2.0
    )
    bounds = Bounds(dropped_share=arguments.dropped_share)
    rows, start = [], arguments.start
    for through in arguments.through:
        row = await compare(through, load, bounds, cores, start, 2 * arguments.seconds, _say)
        _say(f"{through}: {row['one_server']} on one, {row['two_servers']} on two, ratio {row['ratio']}")
        rows.append(row)
        start = max(1, int(row["one_server"] * 0.8))
    return rows


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _ways(text: str) -> list[str]:
    ways = text.split(",")
    for each in ways:
        if each != CLIENT and each not in PROXIES:
            raise argparse.ArgumentTypeError(f"expected some of {CLIENT}, {', '.join(PROXIES)}, got {each!r}")
    return ways


def main() -> None:
    """The command line. Exits with 1 where a pair carries less than 1.85 times one server."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet_pair",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--through", type=_ways, default=[CLIENT, *PROXIES])
    parser.add_argument("--start", type=int, default=20, help="participants of the first run")
    parser.add_argument("--seconds", type=float, default=6.0, help="measured time of a run")
    parser.add_argument(
        "--dropped-share", type=float, default=DROPPED_SHARE, help="fraction of frames that may be dropped"
    )
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--size", type=size_of, default=(640, 360))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=2))
    else:
        print(f"{'through':<8} {'one server':>10} {'two servers':>11} {'ratio':>6}  p95 ms")
        for row in rows:
            p95 = row["p95_ms"]
            print(
                f"{row['through']:<8} {row['one_server']:>10} {row['two_servers']:>11} {row['ratio']:>6}  "
                f"{p95['one']} {p95['two']}"
            )
    if any(row["ratio"] < MIN_RATIO for row in rows):
        raise SystemExit(f"expected at least {MIN_RATIO} times one server from two, got less")


if __name__ == "__main__":
    main()
