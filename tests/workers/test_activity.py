from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gifcue.workers.activity import activity_of
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads /proc")


def test_this_process_runs_and_has_used_cpu_time() -> None:
    activity = activity_of(os.getpid())
    assert activity is not None
    assert activity.is_runnable
    assert not activity.is_stopped
    assert activity.cpu_s > 0.0


async def test_a_stopped_process_is_stopped_whatever_its_name() -> None:
    # A name with a parenthesis and a space, as any process may give itself.
    program = "open('/proc/self/comm', 'w').write('a) R 1 (b'); print(flush=True); input()"
    with subprocess.Popen(  # noqa: ASYNC220 - starting it takes no time
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)

        def is_stopped() -> bool:
            activity = activity_of(child.pid)
            return activity is not None and activity.is_stopped and not activity.is_runnable

        await until(is_stopped)
        child.kill()


def test_a_process_that_does_not_exist_has_no_activity() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert activity_of(child.pid) is None
