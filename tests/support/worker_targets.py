"""What the tests of supervision run in children; each a target of a few lines."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

from gifcue.errors import ConfigError
from gifcue.workers.arena import Arena, ArenaShape
from gifcue.workers.channel import BlockingChannel, serve


def echo(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Answers every message with itself, save a few words that tell it to misbehave."""

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
            case "print":
                print("printed", flush=True)
                channel.send("printed")
            case "garbage":
                os.write(channel.fileno(), b"\xff" * 64)
            case _:
                channel.send(message)

    channel.ready({"pid": os.getpid(), "init": init, "fds": sorted(fds)})
    serve(channel, handle)


def return_at_once(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Is ready, and has nothing to do."""
    channel.ready()


def never_ready(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Hangs before it is ready."""
    threading.Event().wait()


def misconfigured(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Fails in a way that no restart mends."""
    raise ConfigError("expected a port, got a starboard")


def unlucky(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Fails in a way that a restart may mend, each time."""
    raise OSError("no luck today")


def add_one(channel: BlockingChannel, init: ArenaShape, fds: Mapping[str, int]) -> None:
    """Adds one to every byte of the slots that it is told."""
    arena = Arena.attach(fds["arena"], init, writable=True)

    def handle(slot: int) -> None:
        view = arena.slot(slot)
        view[:] = bytes(value + 1 for value in view)
        channel.send(slot)

    channel.ready()
    serve(channel, handle)
    arena.close()
