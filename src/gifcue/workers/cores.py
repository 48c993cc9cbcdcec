"""How many cores this process may use: those that it may run on, and what its cgroups allow.

A container mostly sees all cores of its machine and has a quota of CPU time, which only its cgroup tells. With as many
workers as the machine has cores, it would spend its quota early in each period and stand still for the rest.
"""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cores(own: Path = _OWN, root: Path = _CGROUPS) -> float:
    """Cores that this process may use, a fraction where a quota says so. `own` and `root` are Linux's files."""
    present = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return min([present, *cpu_quotas(own, root)])


def cpu_quotas(own: Path = _OWN, root: Path = _CGROUPS) -> list[float]:
    """The quotas in cores of this process' cgroup and of those above it, of version 2 and 1; none where none is set."""
    quotas: list[float] = []
    for folder in _folders(own, root):
        quota = _version_2(folder) or _version_1(folder)
        if quota is not None:
            quotas.append(quota)
    return quotas


def _folders(own: Path, root: Path) -> list[Path]:
    """The cgroups that hold this process, up to the root."""
    folders: set[Path] = {root, root / "cpu"}
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        # In a container without a namespace of cgroups the path names folders outside, which are not there.
        folder = top / path.strip("/")
        while folder != top and folder.is_relative_to(top):
            folders.add(folder)
            folder = folder.parent
    return sorted(folders)


def _version_2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return _cores(quota, period)


def _version_1(folder: Path) -> float | None:
    return _cores(_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip())


def _cores(quota: str, period: str) -> float | None:
    # "max" and -1 stand for no quota.
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
