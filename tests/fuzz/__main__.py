"""`python -m tests.fuzz`: mutated input for a real server, for a time or a number of packets."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.chaos.server import Checkout
from tests.fuzz.run import AREAS, fuzz


def main() -> int:
    """Parses the arguments; the exit status is 1 where a defect was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--packets", type=int, help="end after so many packets, if that is sooner")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", choices=tuple(AREAS), metavar="AREA", help=", ".join(AREAS)
    )
    parser.add_argument("--batch", type=int, metavar="K", help="this batch alone; with --only")
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[2], metavar="DIR")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="FILE")
    arguments = parser.parse_args()
    if arguments.batch is not None and len(arguments.only or ()) != 1:
        parser.error("--batch: expected one --only beside it")
    tally = asyncio.run(
        fuzz(
            Checkout(arguments.checkout.resolve(), arguments.python),
            arguments.seed,
            seconds=arguments.seconds,
            packets=arguments.packets,
            areas=tuple(arguments.only or AREAS),
            only_batch=arguments.batch,
            say=lambda line: print(line, flush=True),
        )
    )
    print("\n".join(tally.lines()))
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main())
