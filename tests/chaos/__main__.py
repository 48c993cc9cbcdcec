"""`python -m tests.chaos`: runs the cases and prints what they expected and what came."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from tests.chaos import results
from tests.chaos.cases import CASES, QUICK
from tests.chaos.cases.case import Case
from tests.chaos.hostile import hostile_run
from tests.chaos.results import Result
from tests.chaos.server import Checkout

# No case may keep the others from running.
CASE_TIMEOUT_S = 240.0


async def run_case(case: Case, checkout: Checkout, seed: int) -> Result:
    """Runs one case to its end or its limit. Its choices depend on the seed and its name alone."""
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(CASE_TIMEOUT_S):
            findings = await case.run(checkout, random.Random(f"{seed} {case.name}"))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        return Result(case.name, False, time.monotonic() - began_s, problem=problem)
    spent_s = time.monotonic() - began_s
    return Result(case.name, findings.passed, spent_s, tuple(findings.checks), findings.notes)


async def run(cases: list[Case], checkout: Checkout, seed: int, kept: Path | None) -> int:
    """Runs cases one after another; returns how many failed."""
    failed = 0
    for case in cases:
        result = await run_case(case, checkout, seed)
        failed += not result.passed
        print("\n".join(result.lines(case.summary)), flush=True)
        if kept is not None:
            results.append(kept, result)
    print(f"{len(cases) - failed} of {len(cases)} cases passed")
    return failed


def main() -> int:
    """Parses the arguments; the exit status is 1 where a case failed and 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--case", action="append", default=[], metavar="NAME", help="this case alone; may be repeated"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the cases that CI runs, two minutes; with --hostile: no latency is judged",
    )
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[2], metavar="DIR")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="FILE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the cases and exit")
    parser.add_argument("--results", type=Path, metavar="FILE", help="add each result to this file")
    parser.add_argument(
        "--report",
        nargs=2,
        type=Path,
        metavar=("BEFORE", "AFTER"),
        help="print two files of --results as a table, and exit",
    )
    parser.add_argument(
        "--hostile", action="store_true", help="one hostile participant that mixes all attacks"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long --hostile lasts")
    arguments = parser.parse_args()
    known = {case.name for case in CASES}
    if arguments.list:
        print("\n".join(f"{case.name:26} {case.summary}" for case in CASES))
        return 0
    if arguments.report:
        try:
            before, after = (results.read(path) for path in arguments.report)
        except (OSError, ValueError) as error:
            print(f"--report: {error}", file=sys.stderr)
            return 2
        print(results.table(CASES, before, after))
        return 0
    unknown = sorted(set(arguments.case) - known)
    if unknown:
        print(
            f"--case: expected one of {', '.join(sorted(known))}; got {', '.join(unknown)}", file=sys.stderr
        )
        return 2
    checkout = Checkout(arguments.checkout.resolve(), arguments.python)
    if arguments.hostile:
        return asyncio.run(
            hostile_run(
                checkout,
                arguments.seed,
                arguments.minutes * 60.0,
                judge_latency=not arguments.quick,
                kept=arguments.results,
            )
        )
    names = set(arguments.case) or (QUICK if arguments.quick else known)
    cases = [case for case in CASES if case.name in names]
    return 1 if asyncio.run(run(cases, checkout, arguments.seed, arguments.results)) else 0


if __name__ == "__main__":
    sys.exit(main())
