from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gifcue.workers.units import UnitCells, UnitInHand


def test_a_cell_holds_what_its_worker_has_in_hand() -> None:
    cells = UnitCells.create(3)
    theirs = UnitCells.attach(os.dup(cells.fd), 3)
    assert cells.take(1) is None
    theirs.put(1, UnitInHand(7, 2**63))
    assert cells.take(0) is None
    assert cells.take(1) == UnitInHand(7, 2**63)
    assert cells.take(1) is None
    theirs.put(2, UnitInHand(8, 1))
    theirs.clear(2)
    assert cells.take(2) is None
    theirs.close()
    cells.close()
    assert cells.fd == -1


WORKER = """
import signal, sys, time
from gifcue.workers.units import UnitCells, UnitGuard

guard = UnitGuard(UnitCells.attach(int(sys.argv[1]), 2), 1, 0.1)
for token in range(3):
    guard.begin(5, token)
    guard.end()
guard.begin(5, 99)
print(flush=True)
if sys.argv[2] == "waits":
    signal.sigtimedwait([signal.SIGUSR1], 0.5)
    guard.end()
else:
    while True:
        pow(3, 10**5)
"""


@pytest.mark.parametrize(
    ("work", "status", "in_hand"), [("computes", -signal.SIGPROF, UnitInHand(5, 99)), ("waits", 0, None)]
)
def test_the_kernel_ends_a_process_that_computes_too_long(
    work: str, status: int, in_hand: UnitInHand | None
) -> None:
    cells = UnitCells.create(2)
    fd = os.dup(cells.fd)
    os.set_inheritable(fd, True)
    ended = subprocess.run(
        [sys.executable, "-c", WORKER, str(fd), work], pass_fds=[fd], stdout=subprocess.DEVNULL, timeout=60
    )
    assert ended.returncode == status
    assert cells.take(1) == in_hand
    os.close(fd)
    cells.close()
