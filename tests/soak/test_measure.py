"""What a process holds, and what has grown."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import psutil

from tests.soak.measure import MIB, Holds, ProcessHolds, measure


def test_a_process_is_measured():
    holds = measure([psutil.Process()])
    (own,) = holds.processes.values()
    assert own.rss_bytes > MIB
    assert 0.5 < own.memory.total() / own.rss_bytes < 2.0
    assert holds.threads == len(list(Path("/proc/self/task").iterdir()))


def test_what_has_grown_is_named(tmp_path: Path):
    before = measure([psutil.Process()])
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    segment = os.memfd_create("soak")
    try:
        thread.start()
        with (tmp_path / "leak").open("w"):
            after = measure([psutil.Process()])
    finally:
        release.set()
        thread.join()
        os.close(segment)
    assert after.segments == before.segments + 1
    grown = " ".join(after.grown_since(before))
    assert "/leak +1" in grown
    assert "memfd:soak" in grown
    assert after.threads == before.threads + 1


def test_processes_that_come_and_go_are_named():
    nothing = ProcessHolds(0, Counter(), Counter(), Counter())
    old, new = Holds({"decode-0": nothing}), Holds({"decode-1": nothing})
    assert new.grown_since(old) == ["decode-0: ended", "decode-1: is new"]
