"""A gifcue server of any checkout, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import grpc.aio
import psutil

from gifcue.v1 import operator_service_pb2, operator_service_pb2_grpc
from tests.chaos.streams import Stream, annotate, channel_to

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
# Memory is sampled this often; peaks shorter than that are missed.
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Checkout:
    """Which gifcue is tested: a folder with `src/gifcue`, and a Python that has its dependencies."""

    folder: Path
    python: Path = Path(sys.executable)

    @property
    def environment(self) -> dict[str, str]:
        """For processes of this checkout."""
        return {**os.environ, "PYTHONPATH": str(self.folder / "src")}

    def gifcue(self, *arguments: str) -> list[str]:
        """A command line of this checkout's `gifcue`."""
        return [str(self.python), "-m", "gifcue", *arguments]


@functools.cache
def has_operator_ports(checkout: Checkout) -> bool:
    """False where status and metrics are on the main ports."""
    return "--operator-http" in _output(checkout, "serve", "--help")


@functools.cache
def knows_setting(checkout: Checkout, name: str) -> bool:
    """Whether a checkout has a setting of this name."""
    which = ("--expert",) if name.startswith("expert.") else ()
    return re.search(rf"\b{re.escape(name)}\b", _output(checkout, "settings", *which)) is not None


def _output(checkout: Checkout, *arguments: str) -> str:
    done = subprocess.run(
        checkout.gifcue(*arguments),
        cwd=checkout.folder,
        env={**checkout.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    return done.stdout


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
    `operator` and `operator_http` are the ports for operators: `target` and `http` where a checkout has no others.
    """

    checkout: Checkout
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    stderr: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    target: str = ""
    http: str = ""
    operator: str = ""
    operator_http: str = ""
    # How many calls, streams and requests of attackers ended how, and their faults.
    answers: Counter[str] = field(default_factory=Counter)
    peak_pss_bytes: int = 0
    _process: asyncio.subprocess.Process | None = None
    _sampler: asyncio.Task[None] | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        grpc_port, http_port, operator_port, operator_http_port = free_ports(4)
        self.target, self.http = f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}"
        self._folder = tempfile.TemporaryDirectory(prefix="gifcue-chaos-")
        folder = Path(self._folder.name)
        config = folder / "gifcue.toml"
        config.write_text(_toml(self.settings), encoding="utf-8")
        self.stderr = self.stderr or folder / "server.log"
        command = self.checkout.gifcue("serve", "-c", str(config), "--listen", self.target)
        command += ["--http", f"127.0.0.1:{http_port}"]
        self.operator, self.operator_http = self.target, self.http
        if await asyncio.to_thread(has_operator_ports, self.checkout):
            self.operator = f"127.0.0.1:{operator_port}"
            self.operator_http = f"http://127.0.0.1:{operator_http_port}"
            command += ["--operator", self.operator, "--operator-http", f"127.0.0.1:{operator_http_port}"]
        if self.limits:
            ulimits = "; ".join(f"ulimit -{name} {value}" for name, value in self.limits.items())
            command = ["bash", "-c", f'{ulimits}; exec "$@"', "bash", *command]
        environment = {**self.checkout.environment, **self.environment, "TMPDIR": str(folder)}
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
    def http_address(self) -> tuple[str, int]:
        """Host and port of HTTP."""
        host, _, port = self.http.removeprefix("http://").rpartition(":")
        return host, int(port)

    def stream(self, room_id: str = "chaos") -> Stream:
        """A stream of an attacker, whose answers are counted."""
        return Stream(self.target, room_id, answers=self.answers)

    async def annotate(self, image: bytes, timeout_s: float = 30.0) -> grpc.StatusCode:
        """One AnnotateImage of an attacker."""
        status = await annotate(self.target, image, timeout_s)
        self.answers[f"still {status.name}"] += 1
        return status

    async def status(self, timeout_s: float = 5.0) -> operator_service_pb2.GetStatusResponse | None:
        """What `OperatorService.GetStatus` says; None where it does not answer in time."""
        async with channel_to(self.operator) as channel:
            stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
            try:
                return await stub.GetStatus(operator_service_pb2.GetStatusRequest(), timeout=timeout_s)
            except grpc.aio.AioRpcError:
                return None

    async def until_streams(self, count: int, timeout_s: float) -> float:
        """Waits until so many streams are open and nothing but their frames is in flight; returns the seconds."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < timeout_s:
            status = await self.status()
            if status is not None and status.streams == count:
                return time.monotonic() - began_s
            await asyncio.sleep(0.1)
        return float("inf")

    def limit(self, which: int, value: int) -> None:
        """Sets a resource limit of the front process, from outside (`resource.RLIMIT_…`)."""
        _, hard = resource.prlimit(self.pid, which)
        resource.prlimit(self.pid, which, (value, hard))

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
            if self._process is not None and self._process.returncode is not None:
                break
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

    def events(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON objects."""
        found = []
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    found.append(event)
        return found

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
