"""Other ways to the same answers, beside gifcue: set up, run under a load, search for what they carry.

    python -m benchmarks.peers setup [NAME]
    python -m benchmarks.peers run --peer NAME --participants N --seconds S --json
    python -m benchmarks.peers capacity --peer NAME --seconds S --bound-ms 150 --json

What they count: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.capacity import BOUND_MS
from benchmarks.footage import footage_of, own_footage
from benchmarks.peers import environments
from benchmarks.peers.backends import PEERS, Backend, export_model
from benchmarks.peers.environments import EnvironmentMissing
from benchmarks.peers.judging import DETECTORS, cores
from benchmarks.peers.trial import Bounds, Offer, find_capacity, run


def set_up(name: str) -> None:
    """Makes what a peer needs, where it is missing."""
    environments.make(name)
    if PEERS[name].detector == "savedmodel":
        export_model()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0]
    )
    commands = top.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="make the environments, with pip")
    setup.add_argument("name", nargs="?", choices=list(PEERS), help="one peer; all of them by default")
    for name, text in (("run", "one measurement"), ("capacity", "the most participants within the bound")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--peer", choices=list(PEERS), required=True)
        command.add_argument("--seconds", type=float, default=10.0, help="measured, after the warm-up")
        command.add_argument("--fps", type=float, default=30.0)
        command.add_argument(
            "--rate", type=float, default=5.0, help="frames looked at a second and participant"
        )
        command.add_argument(
            "--moving-only", action="store_true", help="look only at what moves, known beforehand"
        )
        command.add_argument("--clip", type=Path, help="a file to show in place of our own footage")
        command.add_argument("--clients", type=int, default=0, help="client processes; one a core by default")
        command.add_argument(
            "--detector", choices=DETECTORS, default="", help="what the peer's server serves"
        )
        command.add_argument("--json", action="store_true", help="one JSON object in place of the table")
        if name == "run":
            command.add_argument("--participants", type=int, default=4)
        else:
            command.add_argument("--bound-ms", type=float, default=BOUND_MS)
            command.add_argument(
                "--start", type=int, default=4 * cores(), help="participants of the first run"
            )
            command.add_argument("--most", type=int, default=256, help="participants at most")
            command.add_argument(
                "--limit-s", type=float, help="try nothing new after so long; 8 times --seconds"
            )
            command.add_argument(
                "--confirm-s", type=float, help="measured in the confirming run; twice --seconds"
            )
    return top


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `run` and `capacity` report."""
    peer = PEERS[arguments.peer]
    environments.python_of(peer.name)
    offer = Offer(
        footage_of(arguments.clip) if arguments.clip else own_footage(fps=arguments.fps),
        arguments.fps,
        arguments.rate,
        arguments.moving_only,
        clients=arguments.clients,
    )
    with Backend(peer, arguments.detector) as backend:
        if arguments.command == "run":
            return run(backend, offer, arguments.participants, arguments.seconds)
        return asyncio.run(
            find_capacity(
                backend,
                offer,
                Bounds(arguments.bound_ms),
                arguments.seconds,
                start=arguments.start,
                most=arguments.most,
                confirm_s=arguments.confirm_s,
                limit_s=arguments.limit_s or 8 * arguments.seconds,
            )
        )


def show(figures: dict[str, Any]) -> None:
    """The figures as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=PEERS[figures["peer"]].says, show_header=False)
    for name, value in figures.items():
        if name not in ("peer", "runs", "at_capacity"):
            text = (
                ", ".join(f"{key} {each}" for key, each in value.items())
                if isinstance(value, dict)
                else value
            )
            table.add_row(name.replace("_", " "), str(text))
    Console().print(table)


def main() -> None:
    """Runs a command; what is wrong is said in a line."""
    arguments = parser().parse_args()
    try:
        if arguments.command == "setup":
            for name in [arguments.name] if arguments.name else PEERS:
                set_up(name)
            return
        figures = measure(arguments)
    except (EnvironmentMissing, RuntimeError, subprocess.CalledProcessError) as error:
        raise SystemExit(str(error)) from error
    if arguments.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
    else:
        show(figures)


if __name__ == "__main__":
    # Servers are ended as their blocks are left, which a signal alone would not do.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("expected to finish, was terminated"))
    main()
