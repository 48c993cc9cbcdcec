"""The servers of the peers as child processes, and their CPU time and memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from benchmarks.peers import environments
from benchmarks.peers.environments import HOME, REPOSITORY, EnvironmentMissing
from benchmarks.server_process import ProcessCost, free_port

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0
_PORT_ATTEMPTS = 1000


@dataclass(frozen=True)
class Peer:
    """A peer. `server` is the module of its server, None if the client does all the work.

    `ports` is the number of consecutive ports that the server takes, `detector` the detector that it serves by default.
    """

    name: str
    description: str
    server: str | None = None
    ports: int = 1
    detector: str = ""


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "jpeg-http",
            "one JPEG per sampled frame over HTTP to TensorFlow behind a web server",
            "benchmarks.peers.jpeg_http_server",
            detector="savedmodel",
        ),
        Peer("mediapipe", "MediaPipe hands and face mesh, one graph of each per participant"),
        Peer(
            "triton",
            "raw frames over gRPC streams to Triton, which serves gifcue's detector",
            "benchmarks.peers.triton_server",
            ports=3,
            detector="litert",
        ),
    )
}


def environment() -> dict[str, str]:
    """The environment variables of the peers' processes: the repository's modules, and one thread per library."""
    shared = sysconfig.get_config_var("LIBDIR") if sysconfig.get_config_var("Py_ENABLE_SHARED") else None
    paths = [path for path in (shared, os.environ.get("LD_LIBRARY_PATH")) if path]
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "src"),
        # Triton's Python stub is linked to libpython. The loader must find the library of this Python: that of another
        # patch release fails with this Python's standard library.
        **({"LD_LIBRARY_PATH": ":".join(paths)} if paths else {}),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "GLOG_minloglevel": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }


def exported_model(home: Path = HOME) -> Path:
    """The folder of the SavedModel of the present weights. Raises EnvironmentMissing if it is missing or outdated."""
    folder = home / "savedmodel"
    stamp = folder / "exported"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _weights():
        raise EnvironmentMissing(
            "jpeg-http: expected an up-to-date SavedModel of the weights in models/, got none: run "
            "`python -m benchmarks.peers setup jpeg-http`"
        )
    return folder / "savedmodel" / "saved_model"


def export_model(home: Path = HOME) -> None:
    """Exports the SavedModel with `gifcue-lab export --no-int8` if it is missing or the weights have changed."""
    with contextlib.suppress(EnvironmentMissing):
        exported_model(home)
        return
    folder = home / "savedmodel"
    environments.to_stderr("jpeg-http: exporting the SavedModel")
    command = [sys.executable, "-m", "gifcue_lab", "export", str(folder), "--no-int8"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    (folder / "exported").write_text(_weights(), encoding="utf-8")


def _weights() -> str:
    folder = REPOSITORY / "models"
    parts = [(folder / name).read_bytes() for name in ("weights.npz", "metadata.json")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@dataclass
class Backend:
    """`with Backend(peer, detector) as backend`: the warm server of the peer at `backend.target`, if it has a server.

    Raises:
        EnvironmentMissing: the peer was not set up.
        RuntimeError: the server did not start. The message has the last lines of its output.
    """

    peer: Peer
    detector: str = ""
    target: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        if self.peer.server is None:
            return self
        python = environments.python_of(self.peer.name)
        detector = self.detector or self.peer.detector
        model = exported_model() if detector == "savedmodel" else REPOSITORY / "models"
        port = free_ports(self.peer.ports)
        command = [str(python), "-m", self.peer.server, detector, str(model), str(port)]
        self._stderr = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,
        )
        try:
            self.target = self._ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            own = self._tree()
            self._process.terminate()
            # Triton's children can outlive their parent, so all processes are waited for and killed if necessary.
            _, left = psutil.wait_procs(own, STOP_TIMEOUT_S)
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.communicate()
        self._stderr.close()

    def cost(self) -> ProcessCost:
        """The cost of all processes of the server since their start; zero if the peer has no server."""
        total = [0.0, 0, 0, 0]
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times, memory = process.cpu_times(), process.memory_full_info()
                pss = getattr(memory, "pss", memory.uss)
                for place, part in enumerate((times.user + times.system, memory.rss, memory.uss, pss)):
                    total[place] += part
        return ProcessCost("server", total[0], int(total[1]), int(total[2]), int(total[3]))

    def _tree(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _ready(self) -> str:
        """Waits for the line with the address. Libraries may print other lines before it."""
        assert self._process is not None
        assert self._process.stdout is not None
        watch = threading.Timer(START_TIMEOUT_S, self._process.kill)
        watch.start()
        try:
            for line in self._process.stdout:
                if line.startswith("127.0.0.1:"):
                    return line.strip()
        finally:
            watch.cancel()
        self._stderr.seek(0)
        last = "\n".join(self._stderr.read().strip().splitlines()[-5:])
        raise RuntimeError(
            f"{self.peer.name}: expected a ready server within {START_TIMEOUT_S:g} s, it ended: {last}"
        )


def free_ports(count: int) -> int:
    """The first of `count` consecutive free ports.

    Raises:
        RuntimeError: none were found in `_PORT_ATTEMPTS` attempts.
    """
    for _ in range(_PORT_ATTEMPTS):
        first = free_port()
        try:
            with contextlib.ExitStack() as stack:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise RuntimeError(f"expected {count} consecutive free ports, found none in {_PORT_ATTEMPTS} attempts")
