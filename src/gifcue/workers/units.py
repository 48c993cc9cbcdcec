"""Which unit of work a worker has in hand, and how much CPU time it may take.

    worker: begin ─► decode ─► end          front, after the worker's death: take

The worker notes each unit in a cell of shared memory before it starts, and clears the cell afterwards. The memory
outlives the worker, so that the front learns which unit killed it, hung in it or took too long.

A decoder is C code in the worker's own thread, which nothing in the process can interrupt. So the kernel bounds it:
`setitimer(ITIMER_PROF)` counts the CPU time of the process and ends it with SIGPROF, whose default action is to
terminate. It counts CPU time and not wall time: a worker that waits for a busy CPU is not blamed. It works however busy
the front is.
"""

from __future__ import annotations

import signal
import struct
from typing import NamedTuple

from gifcue.workers.arena import Arena, ArenaShape

# The name under which the cells' file descriptor is handed down to workers.
UNITS_FD = "units"

# Whether a unit is in hand, its owner's key and its token.
_CELL = struct.Struct("<?QQ")
_EMPTY = bytes(_CELL.size)


class UnitInHand(NamedTuple):
    """`key` is the number of the unit's owner, `token` the unit's."""

    key: int
    token: int


class UnitCells:
    """One cell for each worker of a pool. Build it by `create` in the front and by `attach` in a child."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    @classmethod
    def create(cls, workers: int) -> UnitCells:
        """Makes empty cells. Raises OSError where the system has no memory or descriptor for them."""
        return cls(Arena.create(*_shape(workers)))

    @classmethod
    def attach(cls, fd: int, workers: int) -> UnitCells:
        """Maps the cells that the front made; takes over the file descriptor.

        Raises:
            ValueError: the memory is smaller than `workers` cells.
        """
        return cls(Arena.attach(fd, _shape(workers), writable=True))

    @property
    def fd(self) -> int:
        """The file descriptor for children; -1 once closed."""
        return self._arena.fd

    def put(self, worker: int, unit: UnitInHand) -> None:
        """Notes the unit that a worker has in hand."""
        with self._arena.slot(worker) as cell:
            _CELL.pack_into(cell, 0, True, unit.key, unit.token)

    def clear(self, worker: int) -> None:
        """Notes that the worker has nothing in hand."""
        with self._arena.slot(worker) as cell:
            cell[:] = _EMPTY

    def take(self, worker: int) -> UnitInHand | None:
        """What a worker that is dead had in hand; clears the cell for its successor."""
        with self._arena.slot(worker) as cell:
            in_hand, key, token = _CELL.unpack_from(cell)
        self.clear(worker)
        return UnitInHand(key, token) if in_hand else None

    def close(self) -> None:
        """Releases the memory. Calling it again does nothing."""
        self._arena.close()


class UnitGuard:
    """The worker's side: notes each unit, and lets the kernel end the process at `limit_cpu_s` of CPU time for one."""

    def __init__(self, cells: UnitCells, worker: int, limit_cpu_s: float) -> None:
        self._cells = cells
        self._worker = worker
        self._limit_cpu_s = limit_cpu_s
        # The default action ends the process, even while C code runs; Python's own handlers would wait for it.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def begin(self, key: int, token: int) -> None:
        """A unit is about to be worked on."""
        self._cells.put(self._worker, UnitInHand(key, token))
        signal.setitimer(signal.ITIMER_PROF, self._limit_cpu_s)

    def end(self) -> None:
        """The unit is done. Not to be called where an error ends the process: the unit is to blame for it."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        self._cells.clear(self._worker)


def _shape(workers: int) -> ArenaShape:
    return ArenaShape(workers, 1, _CELL.size)
