"""What heartbeats cost the front process of a server: many streams on which nothing happens.

    python -m benchmarks.heartbeats [--streams 200] [--seconds 10]

Each interval is measured with a server of its own. The first one, 0, is a server without heartbeats.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence

from benchmarks.load import machine
from benchmarks.processes import exit_on_sigterm
from benchmarks.server_process import ServerProcess
from gifcue.client import ReactionClient

INTERVALS_S = (0.0, 2.0, 0.4)


async def measure(interval_s: float, streams: int, seconds: float) -> dict[str, float]:
    """The CPU time of the front process while `streams` are idle."""
    environment = {"GIFCUE_EXPERT__SERVER__HEARTBEAT_INTERVAL_S": str(interval_s)}
    async with (
        ServerProcess([], environment) as server,
        ReactionClient(server.target) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(streams):
            stream = await stack.enter_async_context(client.open())
            assert stream.ready.limits.heartbeat_interval_ms == round(interval_s * 1000)
        before = server.costs(with_memory=False)[0]
        await asyncio.sleep(seconds)
        spent_s = server.costs(with_memory=False)[0].cpu_s - before.cpu_s
    return {"interval_s": interval_s, "streams": streams, "front_cores": round(spent_s / seconds, 3)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--streams", type=int, default=200, help="streams on which nothing happens")
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each measurement")
    arguments = parser.parse_args(argv)
    exit_on_sigterm()
    print(json.dumps({"machine": machine()}))
    for interval_s in INTERVALS_S:
        print(json.dumps(asyncio.run(measure(interval_s, arguments.streams, arguments.seconds))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
