"""`python -m tests.chaos`: runs the cases and prints what they expected and what came."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from tests.chaos.cases import CASES
from tests.chaos.server import Checkout

# No case may keep the others from running.
CASE_TIMEOUT_S = 240.0


async def run(names: list[str], checkout: Checkout, seed: int) -> int:
    """Runs the cases named, all where none is; returns how many failed."""
    failed = 0
    for case in CASES:
        if names and case.name not in names:
            continue
        began_s = time.monotonic()
        problem = ""
        checks = []
        try:
            async with asyncio.timeout(CASE_TIMEOUT_S):
                findings = await case.run(checkout, random.Random(f"{seed} {case.name}"))
            checks = findings.checks
            passed = findings.passed
        except Exception as error:
            passed, problem = False, f"{type(error).__name__}: {error}"
        failed += not passed
        print(
            f"{'passed' if passed else 'FAILED'}  {case.name}  ({case.summary}; {time.monotonic() - began_s:.0f} s)"
        )
        for check in checks:
            mark = " " if check.passed else "!"
            print(f"      {mark} {check.what}: expected {check.expected}, got {check.got}")
        if problem:
            print(f"      ! expected a case that runs to its end, got {problem}")
        sys.stdout.flush()
    return failed


def main() -> int:
    """Parses the arguments; the exit status is 1 where a case failed and 2 where a name is unknown."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--case", action="append", default=[], metavar="NAME", help="this case alone; may be repeated"
    )
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[2], metavar="DIR")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="FILE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the cases and exit")
    arguments = parser.parse_args()
    known = {case.name for case in CASES}
    if arguments.list:
        print("\n".join(f"{case.name:26} {case.summary}" for case in CASES))
        return 0
    unknown = sorted(set(arguments.case) - known)
    if unknown:
        print(
            f"--case: expected one of {', '.join(sorted(known))}; got {', '.join(unknown)}", file=sys.stderr
        )
        return 2
    checkout = Checkout(arguments.checkout.resolve(), arguments.python)
    return 1 if asyncio.run(run(arguments.case, checkout, arguments.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
