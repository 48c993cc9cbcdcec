"""Why a worker process was lost."""

from __future__ import annotations

import dataclasses
import signal
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Loss:
    """`pid` is 0 where no process was started.

    `is_error`: the process reports an exception, `reason` is its type and message. `is_hopeless`: it says that a
    restart would fail in the same way. `is_blameless`: what it was working on has nothing to do with it.
    `is_over_budget`: the system ended it because one unit of work took too much CPU time.
    """

    reason: str
    pid: int = 0
    is_hopeless: bool = False
    is_error: bool = False
    is_blameless: bool = False
    is_over_budget: bool = False

    @property
    def log_reason(self) -> str:
        """The reason for logs. Of an error in the process only its type: its message may quote a person's name."""
        return self.reason.partition(":")[0] if self.is_error and not self.is_hopeless else self.reason

    @property
    def was_started(self) -> bool:
        """False where the system started no process."""
        return self.pid != 0

    def of(self, pid: int) -> Self:
        """The same for a process of this number."""
        return dataclasses.replace(self, pid=pid)

    @classmethod
    def not_started(cls, error: Exception) -> Self:
        """The system refused a process, or a descriptor for its channel."""
        return cls(f"expected to start a process, got {error}")

    @classmethod
    def exited(cls, pid: int, status: int) -> Self:
        """The process ended with an exit status, or by a signal where `status` is negative."""
        if status >= 0:
            return cls(f"ended with exit status {status}", pid)
        if -status == signal.SIGPROF:
            # Sent by the timer of `gifcue.workers.units` alone.
            return cls("ended by SIGPROF: one unit took too much CPU time", pid, is_over_budget=True)
        if -status == signal.SIGSYS:
            return cls("killed by SIGSYS: it made a system call that no sound worker makes", pid)
        try:
            return cls(f"killed by {signal.Signals(-status).name}", pid)
        except ValueError:
            return cls(f"killed by signal {-status}", pid)
