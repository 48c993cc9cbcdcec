"""A gifcue server of its own process for a benchmark, and what it costs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Self

import psutil

from gifcue.client import ReactionClient
from gifcue.client.exceptions import ClientError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """One process: CPU seconds since it started, resident and unshared memory in bytes."""

    name: str
    cpu_s: float
    rss_bytes: int
    uss_bytes: int


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """`async with ServerProcess([...])`: ready when entered, stopped by SIGTERM. Takes its arguments."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self.target = f"127.0.0.1:{free_port()}"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "gifcue", "serve", "--listen", self.target, "--http", ""]
        command += ["--log-level", "warning", *self._arguments]
        self._process = await asyncio.create_subprocess_exec(*command, env=os.environ)
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self._is_serving():
                if self._process.returncode is not None:
                    raise RuntimeError(f"expected a server, it ended with {self._process.returncode}")
                await asyncio.sleep(0.1)
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

    def costs(self) -> list[ProcessCost]:
        """The front's and every worker's."""
        assert self._process is not None, "expected a server that was started"
        front = psutil.Process(self._process.pid)
        return [_cost("front", front), *(_cost(_worker_name(each), each) for each in front.children())]


def _worker_name(process: psutil.Process) -> str:
    command = process.cmdline()
    return next((part for part in command if part.startswith("gifcue.") and ":" in part), command[-1])


def _cost(name: str, process: psutil.Process) -> ProcessCost:
    times = process.cpu_times()
    memory = process.memory_full_info()
    return ProcessCost(name, times.user + times.system, memory.rss, memory.uss)
