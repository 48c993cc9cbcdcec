"""How much memory processes take, and returning to the system what the allocator keeps unused."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
from collections.abc import Callable
from pathlib import Path


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return trim


_trim = _malloc_trim()


@functools.cache
def _statm() -> int:
    """A descriptor that is open for good: a worker measures itself after it has lost the right to open files."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def private_bytes() -> int:
    """Memory of this process that it shares with nobody, in bytes; 0 where the system does not say.

    The first call opens a file, so a confined worker makes it before it is ready.
    """
    try:
        _, resident, shared, *_ = os.pread(_statm(), 256, 0).split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * mmap.PAGESIZE


def resident_bytes(pid: int) -> int:
    """Memory of a process in RAM, in bytes, that it shares with others included; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return 0


def return_unused() -> bool:
    """Gives pages that are free within the heap back to the system; False where the C library cannot.

    Buffers of many sizes, allocated and freed, leave holes in the heap, which glibc keeps. Takes less than a
    millisecond for 200 MB; the system gives the pages again when they are needed.
    """
    return _trim is not None and bool(_trim(0))
