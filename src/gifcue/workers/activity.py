"""What the kernel says of a process: how much it has computed, and whether it wants to.

A process that does not answer may hang, may be stopped, or may wait for a busy CPU. Its CPU time and its state tell
these apart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name, counted from the state (proc(5): fields 3, 14 and 15).
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12


class Activity(NamedTuple):
    """`cpu_s` is the CPU time of all threads since the start. `is_runnable`: the main thread runs, or waits for a CPU.
    `is_stopped`: a signal or a debugger has stopped the process.
    """

    cpu_s: float
    is_runnable: bool
    is_stopped: bool


def activity_of(pid: int) -> Activity | None:
    """The activity of a process; None where it is gone, or the system has no /proc or no descriptor to read it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may itself hold parentheses and spaces.
    fields = text.rpartition(")")[2].split()
    try:
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    except (IndexError, ValueError):
        return None
    state = fields[_STATE]
    return Activity(ticks / _TICKS_PER_S, state == "R", state in ("T", "t"))
