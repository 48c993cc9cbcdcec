"""The cores that a process may use, from files like Linux's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gifcue.workers.cores import cpu_quotas, usable_cores


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_without_a_quota_the_cores_of_the_affinity_count(own: Path, root: Path) -> None:
    write(own, "0::/service\n")
    write(root / "service" / "cpu.max", "max 100000\n")
    assert cpu_quotas(own, root) == []
    assert usable_cores(own, root) == len(os.sched_getaffinity(0))


def test_the_quota_of_the_own_cgroup_and_of_those_above_count(own: Path, root: Path) -> None:
    write(own, "0::/machine/service\n")
    write(root / "machine" / "cpu.max", "40000 100000\n")
    write(root / "machine" / "service" / "cpu.max", "250000 100000\n")
    assert sorted(cpu_quotas(own, root)) == [0.4, 2.5]
    assert usable_cores(own, root) == 0.4


def test_in_a_container_the_quota_is_at_the_root(own: Path, root: Path) -> None:
    write(own, "0::/\n")
    write(root / "cpu.max", "50000 100000\n")
    assert usable_cores(own, root) == 0.5


def test_a_quota_of_version_1_counts(own: Path, root: Path) -> None:
    write(own, "5:memory:/pod\n4:cpu,cpuacct:/pod\n")
    write(root / "cpu" / "pod" / "cpu.cfs_quota_us", "30000\n")
    write(root / "cpu" / "pod" / "cpu.cfs_period_us", "100000\n")
    write(root / "cpu" / "cpu.cfs_quota_us", "-1\n")
    write(root / "cpu" / "cpu.cfs_period_us", "100000\n")
    assert cpu_quotas(own, root) == [0.3]


def test_a_quota_never_gives_more_than_the_machine_has(own: Path, root: Path) -> None:
    write(own, "0::/\n")
    write(root / "cpu.max", "100000000 100000\n")
    assert usable_cores(own, root) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("text", ["", "max", "nonsense 100000", "0 100000", "100000 0", "-5 100000"])
def test_what_is_no_quota_is_none(own: Path, root: Path, text: str) -> None:
    write(own, "0::/../../outside\nnot a line\n")
    write(root / "cpu.max", text)
    assert cpu_quotas(own, root) == []
