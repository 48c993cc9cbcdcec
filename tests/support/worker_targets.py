"""Targets of child processes for the tests of supervision."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gifcue.errors import ConfigError, ModelError
from gifcue.workers.arena import Arena, ArenaShape
from gifcue.workers.channel import BlockingChannel, serve


def echo(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Returns every message, except for a few words that make it misbehave."""

    def handle(message: Any) -> None:
        match message:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "answer and die":
                channel.send("answer")
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise RuntimeError("told to")
            case "hang":
                threading.Event().wait()
            case "compute":
                while True:
                    pass
            case "print":
                print("printed", flush=True)
                channel.send("printed")
            case "flood":
                channel.send_all(range(1000))
            case "garbage":
                os.write(channel.fileno(), b"\xff" * 64)
            case _:
                channel.send(message)

    channel.ready({"pid": os.getpid(), "init": init, "fds": sorted(fds)})
    serve(channel, handle)


def return_at_once(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Becomes ready and returns."""
    channel.ready()


def never_ready(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Hangs before it is ready."""
    threading.Event().wait()


def misconfigured(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Fails with an error that a restart cannot fix."""
    raise ConfigError("expected a port, got a starboard")


def unlucky(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Fails with an error that a restart may fix, until the file of this name exists."""
    if init is None or not Path(init).exists():
        raise OSError("no luck today")
    channel.ready()
    serve(channel, channel.send)


def needs_file(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Cannot start without the file of this name, and dies of the first message."""
    if not Path(init).exists():
        raise ModelError("expected a file, got none")
    channel.ready()
    channel.receive()


def add_one(channel: BlockingChannel, init: ArenaShape, fds: Mapping[str, int]) -> None:
    """Adds one to every byte of the slots whose numbers it receives."""
    arena = Arena.attach(fds["arena"], init, writable=True)

    def handle(slot: int) -> None:
        view = arena.slot(slot)
        view[:] = bytes(value + 1 for value in view)
        channel.send(slot)

    channel.ready()
    serve(channel, handle)
    arena.close()
