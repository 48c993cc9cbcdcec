"""A child process whose end can be awaited.

Not `asyncio.create_subprocess_exec`: its watcher and its `kill` both reap the child, and the second of the two reports
an invented exit status (measured: 255 for a child killed by SIGKILL). Here `Popen` alone reaps.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from gifcue.workers.environment import clean_environment


def child_process(
    name: str, target: str, channel_fd: int, fds: Mapping[str, int], env: Mapping[str, str]
) -> Process:
    """Starts `gifcue.workers.child` with this channel. `fds` are handed down under their names; `env` is added to the
    little that a child gets of the front's environment. Raises as `Process` does.
    """
    arguments = [sys.executable, "-P", "-m", "gifcue.workers.child", name, target, str(channel_fd)]
    arguments += [f"{each}={fd}" for each, fd in fds.items()]
    return Process(arguments, fds=(channel_fd, *fds.values()), env={**clean_environment(), **env})


class Process:
    """Started when built; owned by the loop that runs then. Raises OSError, or RuntimeError for a lack of
    threads, where the system cannot start it.

    `exited` is settled with the exit status, or minus the number of the signal that ended it; the process
    is reaped by then. It has no standard input, and its standard output goes to standard error, so that
    what a library prints does not mix with the output of a command.
    """

    def __init__(self, arguments: Sequence[str], *, fds: Sequence[int], env: Mapping[str, str]) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._popen = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=fds,
            env=env,
            # Ctrl-C in a terminal reaches the front only, even before the child ignores the signal.
            process_group=0,
        )
        self.pid = self._popen.pid
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self._pidfd = -1
            try:
                threading.Thread(target=self._wait_in_thread, name=f"wait {self.pid}", daemon=True).start()
            except RuntimeError:
                # The system gives no more threads: a process whose end nobody notices must not go on.
                self._popen.kill()
                self._popen.wait()
                raise
        else:
            self._loop.add_reader(self._pidfd, self._reap)

    def kill(self) -> None:
        """Sends SIGKILL; does nothing to one that has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.kill()

    def _reap(self) -> None:
        status = self._popen.poll()
        if status is None:
            return
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if not self.exited.done():
            self.exited.set_result(status)

    def _wait_in_thread(self) -> None:
        self._popen.wait()
        # RuntimeError: the loop is closed, and nothing waits for the process any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._reap)
