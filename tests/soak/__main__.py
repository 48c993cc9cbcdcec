"""`python -m tests.soak`: streams that come and go, and what is left of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.chaos import results
from tests.chaos.results import Result
from tests.chaos.server import Checkout
from tests.soak.run import soak


def main() -> int:
    """Parses the arguments; the exit status is 1 where something was left."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--streams", type=int, help="a hundred a minute unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[2], metavar="DIR")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="FILE")
    parser.add_argument(
        "--quick", action="store_true", help="do not judge the growth of memory: for short runs"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="add the result to this file")
    arguments = parser.parse_args()
    streams = arguments.streams or round(100 * arguments.minutes)
    began_s = time.monotonic()
    findings = asyncio.run(
        soak(
            Checkout(arguments.checkout.resolve(), arguments.python),
            arguments.seed,
            streams=streams,
            seconds=arguments.minutes * 60.0,
            judge_memory=not arguments.quick,
            say=lambda line: print(line, flush=True),
        )
    )
    result = Result(
        "soak", findings.passed, time.monotonic() - began_s, tuple(findings.checks), findings.notes
    )
    print("\n".join(result.lines(f"{streams} streams that come and go")))
    if arguments.results is not None:
        results.append(arguments.results, result)
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
