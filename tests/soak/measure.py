"""What a server's processes hold: memory, descriptors, threads, shared memory."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# Parts of names that differ each time, such as inode numbers and addresses.
_NUMBERS = re.compile(r"\[\d+\]|\d{4,}")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessHolds:
    """One process. `memory` is resident bytes by what they are mapped from, descriptors by what they lead to."""

    rss_bytes: int
    descriptors: Counter[str]
    threads: Counter[str]
    memory: Counter[str]


@dataclass(frozen=True, slots=True)
class Holds:
    """All processes of a server by name. `segments` are its objects of shared memory."""

    processes: dict[str, ProcessHolds] = field(default_factory=dict)
    segments: int = 0

    @property
    def rss_bytes(self) -> int:
        return sum(each.rss_bytes for each in self.processes.values())

    @property
    def descriptors(self) -> int:
        return sum(each.descriptors.total() for each in self.processes.values())

    @property
    def threads(self) -> int:
        return sum(each.threads.total() for each in self.processes.values())

    def grown_since(self, before: Holds) -> list[str]:
        """What there is more or less of, by process: for whoever looks for a leak."""
        lines = []
        for name in sorted({*before.processes, *self.processes}):
            old, new = before.processes.get(name), self.processes.get(name)
            if old is None or new is None:
                lines.append(f"{name}: {'ended' if new is None else 'is new'}")
                continue
            for what, ours, theirs in (
                ("descriptors", new.descriptors, old.descriptors),
                ("threads", new.threads, old.threads),
            ):
                lines += [f"{name}: {what} {each} {count:+}" for each, count in _difference(ours, theirs)]
            lines += [
                f"{name}: memory {each} {count / MIB:+.1f} MiB"
                for each, count in _difference(new.memory, old.memory)
                if abs(count) >= MIB
            ]
        return lines


def measure(processes: list[psutil.Process]) -> Holds:
    """What these processes hold. Those that have ended meanwhile are left out."""
    held: dict[str, ProcessHolds] = {}
    segments: set[str] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            name = process.name()
            name = name if name not in held else f"{name} {process.pid}"
            paths = _descriptors(process.pid)
            segments |= {path for path in paths if path.startswith(("/memfd:", "/dev/shm/"))}
            held[name] = ProcessHolds(
                process.memory_info().rss,
                Counter(_NUMBERS.sub("", path) for path in paths),
                Counter(_threads(process.pid)),
                _memory(process.pid),
            )
    return Holds(held, len(segments))


def _descriptors(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def _threads(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found.append((entry / "comm").read_text().strip())
    return found


def _memory(pid: int) -> Counter[str]:
    """Resident bytes by mapping: the heap, a file's name, or memory of no file."""
    found: Counter[str] = Counter()
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Rss:"):
            found[name] += int(line.split()[1]) * 1024
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            parts = line.split(maxsplit=5)
            name = Path(parts[5]).name if len(parts) == 6 else "of no file"
    return found


def _difference(new: Counter[str], old: Counter[str]) -> list[tuple[str, int]]:
    each = {name: new[name] - old[name] for name in {*new, *old}}
    return sorted(((name, count) for name, count in each.items() if count), key=lambda pair: -abs(pair[1]))
