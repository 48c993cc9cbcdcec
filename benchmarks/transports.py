"""What a participant costs the front process over gRPC and over WebSocket.

    python -m benchmarks.transports --participants 24 --seconds 10 --rounds 3

One server gets the same video from the same number of participants over either transport, in turn, several times. The
order is reversed from round to round. Counted is the CPU time of the front process. The messages are the same, too: by
default each participant has a stream of its own, as a web page has, and each frame is a message of its own. With
`--mcus 2 --gather-ms 5` the frames of many participants share a stream and messages, as those of a media server do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from dataclasses import replace
from typing import Any

from benchmarks.load import add_load_arguments, load_of, machine
from benchmarks.measure import Load, measure
from benchmarks.processes import exit_on_sigterm
from benchmarks.sender import Over
from benchmarks.server_process import ServerProcess

# A participant over WebSocket may cost so many times what one over gRPC costs.
BOUND = 1.3


def front_ms(figures: dict[str, Any]) -> float:
    """CPU milliseconds of the front process for one second of one participant."""
    return float(figures["cpu_cores"]["front"]) * 1000.0 / int(figures["participants"])


def report(runs: list[tuple[Over, dict[str, Any]]]) -> dict[str, Any]:
    """The figures of all rounds. `ratio` is that of the medians.

    Raises:
        ValueError: a run lost frames, so that the two transports did not do the same work.
    """
    costs: dict[Over, list[float]] = {over: [] for over in Over}
    for over, figures in runs:
        if figures["lost_on_the_way"] or not figures["consistent"]:
            raise ValueError(f"expected every frame over {over} to be accounted for, got {figures}")
        costs[over].append(front_ms(figures))
    medians = {over: statistics.median(each) for over, each in costs.items()}
    return {
        "front_ms_per_participant_s": {over.value: round(median, 3) for over, median in medians.items()},
        "each_round": {over.value: [round(cost, 3) for cost in each] for over, each in costs.items()},
        "p95_ms": {
            over.value: [figures["due_to_decision_ms"]["p95"] for each, figures in runs if each is over]
            for over in Over
        },
        "ratio": round(medians[Over.WEBSOCKET] / medians[Over.GRPC], 3),
    }


async def compare(load: Load, rounds: int, serve: list[str]) -> dict[str, Any]:
    """Measures `rounds` rounds of both transports on one server."""
    runs: list[tuple[Over, dict[str, Any]]] = []
    async with ServerProcess(serve, http=True) as server:
        for number in range(rounds):
            for over in list(Over) if number % 2 == 0 else list(reversed(Over)):
                figures = await measure(server, replace(load, over=over))
                runs.append((over, figures))
                print(f"{over.value}: {front_ms(figures):.3f} ms", file=sys.stderr, flush=True)
    return {"machine": machine(), "participants": load.participants, "mcus": load.mcus, **report(runs)}


def main() -> None:
    """The command line. Exits with status 1 where WebSocket costs more than `BOUND` times gRPC."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.set_defaults(participants=24, seconds=10.0, mcus=0, find_capacity=False)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each transport")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--serve", nargs=argparse.REMAINDER, default=[], help="pass all further arguments to `gifcue serve`"
    )
    arguments = parser.parse_args()
    arguments.mcus = arguments.mcus or arguments.participants
    load = load_of(arguments)
    figures = asyncio.run(compare(load, arguments.rounds, arguments.serve))
    print(json.dumps(figures, indent=2) if arguments.json else _text(figures))
    sys.exit(0 if figures["ratio"] <= BOUND else 1)


def _text(figures: dict[str, Any]) -> str:
    costs = figures["front_ms_per_participant_s"]
    lines = [
        f"{figures['participants']} participants on {figures['mcus']} streams, CPU of the front process "
        "per participant and second:",
        *(f"  {name:9} {cost:.3f} ms  {figures['each_round'][name]}" for name, cost in costs.items()),
        f"  WebSocket costs {figures['ratio']:.2f} times gRPC (at most {BOUND:g})",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
