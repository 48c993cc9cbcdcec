"""A gifcue server of any checkout, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
# Memory is sampled this often; peaks shorter than that are missed.
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Checkout:
    """Which gifcue is tested: a folder with `src/gifcue`, and a Python that has its dependencies."""

    folder: Path
    python: Path = Path(sys.executable)


def free_ports(count: int) -> list[int]:
    """TCP ports of the loopback interface that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@dataclass(slots=True)
class Server:
    """`async with Server(checkout, settings) as server`: ready when entered, killed when left.

    `settings` are tables of the settings file. `limits` maps names of `ulimit` options to values, such as {"n": 64}.
    """

    checkout: Checkout
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    stderr: Path | None = None
    target: str = ""
    http: str = ""
    peak_pss_bytes: int = 0
    _process: asyncio.subprocess.Process | None = None
    _sampler: asyncio.Task[None] | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        grpc_port, http_port = free_ports(2)
        self.target, self.http = f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}"
        self._folder = tempfile.TemporaryDirectory(prefix="gifcue-chaos-")
        folder = Path(self._folder.name)
        config = folder / "gifcue.toml"
        config.write_text(_toml(self.settings), encoding="utf-8")
        self.stderr = self.stderr or folder / "server.log"
        command = [str(self.checkout.python), "-m", "gifcue", "serve", "-c", str(config)]
        command += ["--listen", self.target, "--http", f"127.0.0.1:{http_port}"]
        if self.limits:
            ulimits = "; ".join(f"ulimit -{name} {value}" for name, value in self.limits.items())
            command = ["bash", "-c", f'{ulimits}; exec "$@"', "bash", *command]
        environment = {**os.environ, "PYTHONPATH": str(self.checkout.folder / "src"), "TMPDIR": str(folder)}
        with self.stderr.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=self.checkout.folder, env=environment, stdout=log, stderr=log
            )
        if await self.until_ready(START_TIMEOUT_S) > START_TIMEOUT_S:
            await self.__aexit__()
            raise RuntimeError(f"expected a server that is ready within {START_TIMEOUT_S:g} s, got none")
        self._sampler = asyncio.create_task(self._sample(), name="memory of the server")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sampler is not None:
            self._sampler.cancel()
        if self._process is not None and self._process.returncode is None:
            for child in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            await self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def temporary_folder(self) -> Path:
        """What the server has as its TMPDIR."""
        assert self._folder is not None
        return Path(self._folder.name)

    def processes(self) -> list[psutil.Process]:
        """The server's front process first, then everything that it started."""
        try:
            front = psutil.Process(self.pid)
            return [front, *front.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self, kind: str) -> list[psutil.Process]:
        """The workers whose process name holds `kind`: "decode" or "detect"."""
        found = []
        for process in self.processes()[1:]:
            with contextlib.suppress(psutil.Error):
                if kind in process.name():
                    found.append(process)
        return found

    def pss_bytes(self) -> int:
        """Proportional memory of all the server's processes."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    async def until_ready(self, timeout_s: float) -> float:
        """Waits for /readyz to say 200; returns the seconds that it took, infinity where it never did."""
        took_s = await self.until_status("/readyz", 200, timeout_s)
        if self._process is not None and self._process.returncode is not None:
            raise RuntimeError(f"expected a server that serves, it ended: {self.log()[-2000:]}")
        return took_s

    async def until_status(self, path: str, status: int, timeout_s: float) -> float:
        """Waits for an answer of this status; returns the seconds that it took, infinity where it never came."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < timeout_s:
            if await self.get(path) == status:
                return time.monotonic() - began_s
            await asyncio.sleep(0.05)
        return float("inf")

    async def get(self, path: str) -> int:
        """The HTTP status of a GET, 0 where nobody answers within two seconds."""
        try:
            timeout = aiohttp.ClientTimeout(total=2.0)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.http + path) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def terminate(self, timeout_s: float = STOP_TIMEOUT_S) -> float:
        """SIGTERM; returns the seconds until the process ended, infinity where it did not within `timeout_s`."""
        assert self._process is not None
        began_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            return float("inf")
        return time.monotonic() - began_s

    def log(self) -> str:
        """Everything that the server has written."""
        assert self.stderr is not None
        return self.stderr.read_text(encoding="utf-8", errors="replace") if self.stderr.is_file() else ""

    async def _sample(self) -> None:
        while True:
            self.peak_pss_bytes = max(self.peak_pss_bytes, await asyncio.to_thread(self.pss_bytes))
            await asyncio.sleep(SAMPLE_S)


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
