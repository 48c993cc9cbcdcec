"""The process of `gifcue serve`: signals, and an end that nothing can put off.

The first SIGTERM or SIGINT drains, after `server.lame_duck_s`, and so does an operator's `Drain` with `exit`. A second
signal ends the process at once, and so does the end of the time for a drain, whatever hangs: that end is in a thread of
its own, so that a blocked event loop does not put it off either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

import structlog

from gifcue.server.config import Settings
from gifcue.server.descriptors import raise_limit
from gifcue.server.lifecycle import Server
from gifcue.server.log_lines import LogLines
from gifcue.server.logs import configure_logs
from gifcue.server.service_manager import ServiceManager
from gifcue.server.stopping import STOP_GRACE_S

log = structlog.get_logger()

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# The exit code after a drain that did not end in time. After a second signal it is 128 and the signal's number.
OVERDUE = 1
_FLUSH_S = 0.2


class HardEnd:
    """Ends the process and its workers without asking anybody."""

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines

    def within(self, seconds: float) -> None:
        """Ends the process in that time, unless it has ended before."""
        # A daemon, so that it does not keep a process that has drained.
        timer = threading.Timer(seconds, self._end, ("the drain took too long", OVERDUE))
        timer.daemon = True
        timer.start()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The handler of a second signal."""
        self._end(f"a second {signal.Signals(number).name}", 128 + number)

    def _end(self, reason: str, code: int) -> None:
        with contextlib.suppress(Exception):
            log.error("ended at once", reason=reason, exit_code=code)
            kill_children()
            self._lines.close(_FLUSH_S)
        os._exit(code)


def kill_children() -> None:
    """Kills the processes that this one has started, even those that are stopped or stuck."""
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in listing.read_text(encoding="ascii").split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)


async def _serve(settings: Settings, lines: LogLines, detector_target: str | None) -> None:
    stop = asyncio.Event()
    end = HardEnd(lines)
    loop = asyncio.get_running_loop()

    def request_exit() -> None:
        # An operator and a signal may both ask for it: an orchestrator sends SIGTERM to what already drains.
        if not stop.is_set():
            end.within(settings.server.stop_s + STOP_GRACE_S)
            stop.set()

    def on_first_signal() -> None:
        for number in SIGNALS:
            # In place of the event loop's own handling, which a blocked loop would put off.
            loop.remove_signal_handler(number)
            signal.signal(number, end.on_signal)
        request_exit()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_first_signal)
    server = Server(
        settings,
        detector_target=detector_target,
        log_lines_lost=lambda: lines.lost,
        request_exit=request_exit,
    )
    manager = ServiceManager(os.environ)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
        manager.tell("READY=1")
        living = asyncio.create_task(manager.keep_alive(lambda: server.is_alive))
        await stopping
        manager.tell("STOPPING=1")
        await server.stop()
        living.cancel()
    stopping.cancel()


def serve_and_exit(settings: Settings) -> NoReturn:
    """As `run`, and ends the process with the exit code.

    The clean-up of the interpreter is left out: it takes up to seconds on a busy machine, and is no part of the time
    that a stop may take.
    """
    code = run(settings)
    sys.stdout.flush()
    os._exit(code)


def run(settings: Settings, *, detector_target: str | None = None) -> int:
    """Serves until SIGTERM or SIGINT, drains, and returns the process' exit code.

    Raises as `Server` and `Server.start` do.
    """
    lines = configure_logs(settings.log)
    # Before the server works out how many connections its descriptors allow.
    raise_limit()
    try:
        asyncio.run(_serve(settings, lines, detector_target))
    finally:
        lines.close()
    return 0
