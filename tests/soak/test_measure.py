"""What a process holds, and what has grown."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.soak.measure import MIB, Holds, ProcessHolds, measure

# Two threads, and three once it is told where to leak. It tells when it is ready, and ends with its standard input.
CHILD = """
import os, sys, threading
end = threading.Event()
threads = [threading.Thread(target=end.wait, daemon=True)]
threads[0].start()
print("ready", flush=True)
path = sys.stdin.readline().strip() or sys.exit()
threads.append(threading.Thread(target=end.wait, daemon=True))
threads[1].start()
segment, leak = os.memfd_create("soak"), open(path, "w")
print("grown", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process in which nothing else runs: threads of other tests end in this one at any time."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert _line(process) == "ready"
        yield process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_is_measured(child: subprocess.Popen[str]) -> None:
    holds = measure([psutil.Process(child.pid)])
    (own,) = holds.processes.values()
    assert own.rss_bytes > MIB
    assert 0.5 < own.memory.total() / own.rss_bytes < 2.0
    assert holds.threads == 2


def test_what_has_grown_is_named(child: subprocess.Popen[str], tmp_path: Path) -> None:
    before = measure([psutil.Process(child.pid)])
    assert child.stdin is not None
    child.stdin.write(f"{tmp_path / 'leak'}\n")
    child.stdin.flush()
    assert _line(child) == "grown"
    after = measure([psutil.Process(child.pid)])
    assert after.segments == before.segments + 1
    grown = " ".join(after.grown_since(before))
    assert "/leak +1" in grown
    assert "memfd:soak" in grown
    assert after.threads == before.threads + 1


def test_processes_that_come_and_go_are_named():
    nothing = ProcessHolds(0, Counter(), Counter(), Counter())
    old, new = Holds({"decode-0": nothing}), Holds({"decode-1": nothing})
    assert new.grown_since(old) == ["decode-0: ended", "decode-1: is new"]
