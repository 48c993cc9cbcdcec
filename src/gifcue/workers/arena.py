"""Shared memory in slots of one size, made by the front and mapped by the workers.

On Linux the memory has no name (memfd), so nothing stays behind however the front ends; elsewhere it is a temporary
file, unlinked before it is used. Slots are numbered through all ranges. A range has one writer at a time, the worker
that owns it. The front decides who may use a slot, and when; the arena holds no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
from typing import NamedTuple

# The name under which the arena's file descriptor is handed down to workers.
ARENA_FD = "arena"

# Slots start at multiples of a cache line, so that two workers never write into the same one.
_ALIGNMENT_BYTES = 64


class ArenaShape(NamedTuple):
    """How the memory is cut; what a child needs besides the file descriptor to attach."""

    ranges: int
    slots_per_range: int
    slot_bytes: int

    @property
    def slots(self) -> int:
        return self.ranges * self.slots_per_range

    @property
    def stride_bytes(self) -> int:
        return -(-self.slot_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES

    @property
    def total_bytes(self) -> int:
        return self.slots * self.stride_bytes


class Arena:
    """One mapping of the shared memory. Build it by `create` in the front and by `attach` in a child."""

    def __init__(self, fd: int, shape: ArenaShape, *, writable: bool) -> None:
        access = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
        self.shape = shape
        self._fd = fd
        self._map = mmap.mmap(fd, shape.total_bytes, mmap.MAP_SHARED, access)
        self._view = memoryview(self._map)

    @classmethod
    def create(cls, ranges: int, slots_per_range: int, slot_bytes: int) -> Arena:
        """Makes new memory, all zeros. Pages cost nothing until they are written.

        Raises:
            ValueError: a number is below 1.
            OSError: the system has no memory for it.
        """
        shape = ArenaShape(ranges, slots_per_range, slot_bytes)
        for name, value in shape._asdict().items():
            if value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")
        fd = _anonymous_file()
        try:
            os.ftruncate(fd, shape.total_bytes)
            _seal_size(fd)
            return cls(fd, shape, writable=True)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def attach(cls, fd: int, shape: ArenaShape, *, writable: bool = False) -> Arena:
        """Maps memory that another process made; takes over the file descriptor.

        Raises ValueError where the memory is smaller than the shape says.
        """
        size = os.fstat(fd).st_size
        if size < shape.total_bytes:
            raise ValueError(f"expected shared memory of {shape.total_bytes} bytes, got {size}")
        return cls(fd, ArenaShape(*shape), writable=writable)

    @property
    def fd(self) -> int:
        """The file descriptor for children; -1 once closed."""
        return self._fd

    def slot(self, index: int) -> memoryview:
        """The bytes of a slot, `slot_bytes` long. Raises IndexError where there is no such slot."""
        if not 0 <= index < self.shape.slots:
            raise IndexError(f"expected a slot of 0..{self.shape.slots - 1}, got {index}")
        start = index * self.shape.stride_bytes
        return self._view[start : start + self.shape.slot_bytes]

    def slots_of(self, range_index: int) -> range:
        """The numbers of the slots of a range. Raises IndexError where there is no such range."""
        if not 0 <= range_index < self.shape.ranges:
            raise IndexError(f"expected a range of 0..{self.shape.ranges - 1}, got {range_index}")
        first = range_index * self.shape.slots_per_range
        return range(first, first + self.shape.slots_per_range)

    def close(self) -> None:
        """Releases the mapping and the descriptor. Calling it again does nothing.

        A view of a slot stays valid while it is held; the memory is freed with the last view.
        """
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        # BufferError: a view or an array over a slot is still in use; the mapping is freed with it.
        with contextlib.suppress(BufferError):
            self._view.release()
            self._map.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gifcue-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fd, path = tempfile.mkstemp(prefix="gifcue-arena-")
    os.unlink(path)  # noqa: PTH108
    return fd


def _seal_size(fd: int) -> None:
    """A worker that shrank the memory would end every process that reads it, by SIGBUS."""
    if hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
