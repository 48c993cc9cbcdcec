"""A gifcue server as a child process of a benchmark, and its CPU time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import psutil

from gifcue.client import ReactionClient
from gifcue.client.exceptions import ClientError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """CPU seconds of a process since its start, and its resident, unshared and proportional memory in bytes.

    Proportional memory (PSS) divides a shared page among the processes that share it, so that the sum over processes
    counts every page once.
    """

    name: str
    cpu_s: float
    rss_bytes: int
    uss_bytes: int
    pss_bytes: int


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def on_cores(cores: Iterable[int] | None) -> Iterator[None]:
    """Restricts the processes started inside the block, and their children, to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cores is None else set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class ServerProcess:
    """`async with ServerProcess([...])`: the server is ready inside the block and stopped by SIGTERM at its end.

    Takes the arguments of `gifcue serve`, environment variables that override those of this process, such as
    GIFCUE_MEDIA__WORKERS=2, and the cores that the server may use, by default all. With `http` it serves WebSocket on
    `http_target`, and with `operator` calls of operators on `operator_target`; with both, also their HTTP on
    `operator_http_target`.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str] | None = None,
        cores: Iterable[int] | None = None,
        *,
        http: bool = False,
        operator: bool = False,
    ) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._cores = None if cores is None else set(cores)
        self.target = f"127.0.0.1:{free_port()}"
        self.http_target = f"127.0.0.1:{free_port()}" if http else ""
        self.operator_target = f"127.0.0.1:{free_port()}" if operator else ""
        self.operator_http_target = f"127.0.0.1:{free_port()}" if http and operator else ""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "gifcue", "serve", "--listen", self.target]
        command += ["--http", self.http_target, "--operator", self.operator_target]
        command += ["--operator-http", self.operator_http_target, "--log-level", "warning", *self._arguments]
        with on_cores(self._cores):
            self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._is_serving():
                    if self._process.returncode is not None:
                        raise RuntimeError(
                            f"expected a running server, it exited with {self._process.returncode}"
                        )
                    await asyncio.sleep(0.1)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)

    async def _is_serving(self) -> bool:
        try:
            async with ReactionClient(self.target) as client:
                return await client.health() == "SERVING"
        except ClientError:
            return False

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal to the front process, if it has not ended."""
        assert self._process is not None, "expected a started server"
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def costs(self, *, with_memory: bool = True) -> list[ProcessCost]:
        """The costs of the front and of the workers, summed by kind: front, decode, detect.

        Reading the memory delays a process by some milliseconds. Without `with_memory` it is reported as 0.
        """
        assert self._process is not None, "expected a started server"
        front = psutil.Process(self._process.pid)
        workers = [(worker_kind(each.cmdline()), each) for each in front.children(recursive=True)]
        return summed(_cost(name, each, with_memory) for name, each in [("front", front), *workers])


def worker_kind(command: list[str]) -> str:
    """The kind of a worker, from its command line: "decode" for `... -m gifcue.workers.child decode-0 ...`."""
    if "gifcue.workers.child" in command[:-1]:
        name = command[command.index("gifcue.workers.child") + 1]
        return re.sub(r"-\d+$", "", name)
    return command[-1] if command else "unknown"


def summed(costs: Iterable[ProcessCost]) -> list[ProcessCost]:
    """One entry per name, in the order of first occurrence."""
    sums: dict[str, ProcessCost] = {}
    for each in costs:
        so_far = sums.get(each.name, ProcessCost(each.name, 0.0, 0, 0, 0))
        sums[each.name] = ProcessCost(
            each.name,
            so_far.cpu_s + each.cpu_s,
            so_far.rss_bytes + each.rss_bytes,
            so_far.uss_bytes + each.uss_bytes,
            so_far.pss_bytes + each.pss_bytes,
        )
    return list(sums.values())


def spent(before: list[ProcessCost], after: list[ProcessCost]) -> list[ProcessCost]:
    """The CPU seconds between two measurements of `costs`, and the memory of the second."""
    earlier = {each.name: each.cpu_s for each in before}
    return [
        ProcessCost(
            each.name,
            each.cpu_s - earlier.get(each.name, 0.0),
            each.rss_bytes,
            each.uss_bytes,
            each.pss_bytes,
        )
        for each in after
    ]


def _cost(name: str, process: psutil.Process, with_memory: bool) -> ProcessCost:
    times = process.cpu_times()
    cpu_s = times.user + times.system
    if not with_memory:
        return ProcessCost(name, cpu_s, 0, 0, 0)
    memory = process.memory_full_info()
    return ProcessCost(name, cpu_s, memory.rss, memory.uss, getattr(memory, "pss", memory.uss))
