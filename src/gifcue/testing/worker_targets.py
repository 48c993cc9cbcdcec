"""What the tests of supervision run in children; each a target of a few lines."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

from gifcue.workers.channel import BlockingChannel, serve


def echo(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Answers every message with itself; obeys a few that tell it to misbehave."""

    def handle(message: Any) -> None:
        if message == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif message == "raise":
            raise RuntimeError("told to")
        elif message == "hang":
            threading.Event().wait()
        else:
            channel.send(message)

    channel.ready({"pid": os.getpid(), "init": init})
    serve(channel, handle)
