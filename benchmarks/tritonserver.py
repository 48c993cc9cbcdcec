"""A real tritonserver, from the environment of the peers (`python -m benchmarks.peers setup triton`).

The wheel of nvidia-pytriton carries the server with its Python backend. The backend finds its stub, the program that
runs a model's Python, only beside itself, so both are copied into a folder.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc

from benchmarks.peers import environments
from benchmarks.peers.backends import environment
from benchmarks.server_process import free_port
from gifcue.triton.v2 import inference_pb2, inference_pb2_grpc

START_TIMEOUT_S = 60.0


class TritonServer:
    """The server as a process, on one port for all its lives."""

    def __init__(self, repository: Path, folder: Path) -> None:
        """`folder` is for the backend and the log."""
        self._python = environments.python_of("triton")
        self._site = next((self._python.parent.parent / "lib").glob("python3.*/site-packages"))
        server = self._site / "pytriton" / "tritonserver"
        backend = folder / "backends" / "python"
        shutil.copytree(server / "backends" / "python", backend)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copy(server / "python_backend_stubs" / version / "triton_python_backend_stub", backend)
        self.port = free_port()
        self._log = folder / "tritonserver.log"
        self._command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={backend.parent}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self.port}",
            "--allow-http=false",
            "--allow-metrics=false",
            "--exit-timeout-secs=2",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Starts the server; returns once it says that it is ready. Raises AssertionError with its log."""
        variables = environment()
        # The stub takes the packages of the python that it finds first.
        variables["PATH"] = f"{self._python.parent}:{variables.get('PATH', '')}"
        libraries = str(self._site / "nvidia_pytriton.libs")
        variables["LD_LIBRARY_PATH"] = ":".join(filter(None, [variables.get("LD_LIBRARY_PATH"), libraries]))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + START_TIMEOUT_S
        with grpc.insecure_channel(self.address, [("grpc.max_reconnect_backoff_ms", 200)]) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            while time.monotonic() < until_s and self._process.poll() is None:
                try:
                    request = inference_pb2.ServerReadyRequest()
                    if stub.ServerReady(request, timeout=5.0, wait_for_ready=True).ready:
                        return
                except grpc.RpcError:
                    continue
        raise AssertionError(f"expected tritonserver to start, got:\n{self.log[-4000:]}")

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kills the server and waits for its end. Its stubs end by themselves when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
