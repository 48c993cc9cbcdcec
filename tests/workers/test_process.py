from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

import pytest

from gifcue.workers.process import Process


def start(code: str) -> Process:
    return Process([sys.executable, "-c", code], fds=(), env=os.environ)


def wait_until_ended(pid: int) -> None:
    """Waits for the end of a process without reaping it, which another waiter may have done."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture(params=["pidfd", "thread"])
def _way_of_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.mark.usefixtures("_way_of_waiting")
class TestProcess:
    async def test_the_exit_status_is_reported(self) -> None:
        assert await start("raise SystemExit(3)").exited == 3

    async def test_a_signal_is_reported_as_its_negative_number(self) -> None:
        process = start("import threading; threading.Event().wait()")
        process.kill()
        assert await process.exited == -signal.SIGKILL

    async def test_killing_an_ended_process_does_nothing(self) -> None:
        process = start("pass")
        wait_until_ended(process.pid)
        process.kill()
        assert await process.exited == 0
        process.kill()

    async def test_an_ended_process_leaves_no_zombie_and_no_descriptor(self) -> None:
        process = start("pass")
        await process.exited
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        for thread in threading.enumerate():
            if thread.name == f"wait {process.pid}":
                thread.join()

    async def test_a_signal_to_the_fronts_group_does_not_reach_it(self) -> None:
        process = start("import threading; threading.Event().wait()")
        assert os.getpgid(process.pid) == process.pid
        process.kill()
        await process.exited


async def test_a_process_that_cannot_be_started_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        Process(["/nowhere/python"], fds=(), env={})
