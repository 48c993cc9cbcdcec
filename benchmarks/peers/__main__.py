"""Alternatives to gifcue: sets them up, runs them under a load, and searches for their capacity.

    python -m benchmarks.peers setup [NAME]
    python -m benchmarks.peers run --peer NAME --participants N --seconds S --json
    python -m benchmarks.peers capacity --peer NAME --seconds S --bound-ms 150 --json

The measurements are described in benchmarks/README.md.
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
from benchmarks.peers.detectors import DETECTORS, cores
from benchmarks.peers.environments import EnvironmentMissing
from benchmarks.peers.trial import Bounds, Offer, find_capacity, run


def set_up(name: str) -> None:
    """Creates the environment of a peer, and its model if it needs one, unless they exist."""
    environments.make(name)
    if PEERS[name].detector == "savedmodel":
        export_model()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0]
    )
    commands = top.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="create the environments, with pip")
    setup.add_argument("name", nargs="?", choices=list(PEERS), help="one peer; by default all")
    for name, text in (
        ("run", "one measurement"),
        ("capacity", "the largest number of participants within the bound"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--peer", choices=list(PEERS), required=True)
        command.add_argument("--seconds", type=float, default=10.0, help="measured time, after the warm-up")
        command.add_argument("--fps", type=float, default=30.0)
        command.add_argument(
            "--rate", type=float, default=5.0, help="frames analysed per second and participant"
        )
        command.add_argument(
            "--moving-only",
            action="store_true",
            help="analyse only frames in motion, which are known in advance",
        )
        command.add_argument("--clip", type=Path, help="a file to stream in place of the generated footage")
        command.add_argument(
            "--clients", type=int, default=0, help="client processes; by default one per core"
        )
        command.add_argument(
            "--detector", choices=DETECTORS, default="", help="the detector of the peer's server"
        )
        command.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
        if name == "run":
            command.add_argument("--participants", type=int, default=4)
        else:
            command.add_argument("--bound-ms", type=float, default=BOUND_MS)
            command.add_argument(
                "--start", type=int, default=4 * cores(), help="number of participants of the first run"
            )
            command.add_argument("--most", type=int, default=256, help="maximum number of participants")
            command.add_argument(
                "--limit-s",
                type=float,
                help="time after which no new number is tried; by default 8 times --seconds",
            )
            command.add_argument(
                "--confirm-s",
                type=float,
                help="measured time of the confirming run; by default twice --seconds",
            )
    return top


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of `run` or `capacity`."""
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
    """Prints a report as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=PEERS[figures["peer"]].description, show_header=False)
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
    """Runs a command. An expected error ends it with a message of one line."""
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
    # The exception leaves the `with` blocks, which end the servers. The signal's default action would not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated by a signal"))
    main()
