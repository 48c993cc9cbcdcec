"""What runs first in a child.

    python -P -m gifcue.workers.child NAME MODULE:FUNCTION CHANNEL_FD [FD_NAME=FD ...]

Calls `function(channel, init, fds)`, where `init` is what the front handed to its `SupervisedWorker` and
`fds` maps names to inherited file descriptors. The function makes itself ready, calls
`channel.ready(info)`, works, and returns, or lets `ChannelClosed` through, when the channel ends. Within `ready` the
process is confined (`gifcue.workers.confinement`): from then on a sealed worker opens no file and imports nothing.

Only the front decides when a child ends: SIGINT and SIGTERM, which a terminal or a service manager sends to all
processes, are ignored, so that the front can drain. The end of the channel ends the child, and on Linux so does the
front's death.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gifcue.errors import GifcueError
from gifcue.workers.channel import BlockingChannel, ChannelClosed
from gifcue.workers.confinement.apply import confine
from gifcue.workers.confinement.privileges import die_with_parent
from gifcue.workers.framing import Kind

Target = Callable[[BlockingChannel, Any, Mapping[str, int]], None]


def run(name: str, target: str, channel_fd: int, fds: Mapping[str, int]) -> int:
    """Runs the target to its end; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    _set_process_name(name)
    # The end of the channel is noticed between messages only: a child that hangs in its work would outlive the front.
    with contextlib.suppress(OSError, AttributeError):
        die_with_parent()
    for fd in (channel_fd, *fds.values()):
        os.set_inheritable(fd, False)
    channel = BlockingChannel(socket.socket(fileno=channel_fd))
    try:
        # Written by the front, the process that started this one; nothing else can write to the channel.
        types, confinement, init = pickle.loads(channel.receive_frame(Kind.INIT))
        if confinement is None:
            channel.expect(types)
        else:
            channel.expect(types, lambda: confine(confinement))
        module, _, function = target.partition(":")
        call: Target = getattr(importlib.import_module(module), function)
        call(channel, init, fds)
    except ChannelClosed:
        pass
    except Exception as error:
        # A confined process cannot print where standard error is a file. The front hears of the error either way.
        with contextlib.suppress(OSError):
            traceback.print_exc()
        hopeless = isinstance(error, GifcueError) and not error.retryable
        with contextlib.suppress(ChannelClosed):
            channel.crash(f"{type(error).__name__}: {error}", hopeless=hopeless)
        return 1
    finally:
        channel.close()
    return 0


def _set_process_name(name: str) -> None:
    # What `top` shows; the kernel keeps 15 characters.
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"gifcue-{name}"[:15])


def main() -> int:
    name, target, channel_fd, *pairs = sys.argv[1:]
    fds = {key: int(fd) for key, _, fd in (pair.partition("=") for pair in pairs)}
    return run(name, target, int(channel_fd), fds)


if __name__ == "__main__":
    code = main()
    # Everything has been sent. The clean-up of the interpreter and of its libraries takes up to a second, which a stop
    # of the server would wait for.
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)
