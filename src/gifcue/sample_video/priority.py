"""Keeps an encoder from raising the priority of the thread that calls it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def same_priority() -> Iterator[None]:
    """Gives the calling thread its scheduling policy back after the block.

    SVT-AV1 gives the thread that opens it the real-time policy SCHED_FIFO where the user may have it, as root may.
    Threads and processes that this one starts later inherit it. A few of them that wait in a loop stop the machine.
    """
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameter)
