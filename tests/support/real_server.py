"""A gifcue server in a process of its own, without a detector, that a test can kill, stop and start again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.server_process import free_port
from gifcue.client import ReactionClient
from gifcue.client.exceptions import ClientError
from tests.support.waiting import TIMEOUT_S

_POLL_S = 0.05
_ROOT = Path(__file__).resolve().parents[2]


class RealServer:
    """Listens on given ports of 127.0.0.1. `settings` is further TOML, which goes on with the table `server`."""

    def __init__(
        self, folder: Path, grpc_port: int, http_port: int, operator_port: int, settings: str
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.grpc_port, self.http_port, self.operator_port = grpc_port, http_port, operator_port
        self.operator_http_port = free_port()
        self._config = folder / "gifcue.toml"
        self._log = folder / "server.log"
        self._config.write_text(
            f"""[media]
workers = 1
[detect]
workers = 1
[server]
listen = "127.0.0.1:{grpc_port}"
http_listen = "127.0.0.1:{http_port}"
operator_listen = "127.0.0.1:{operator_port}"
operator_http_listen = "127.0.0.1:{self.operator_http_port}"
drain_timeout_s = 2.0
{settings}
""",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def operator_target(self) -> str:
        return f"127.0.0.1:{self.operator_port}"

    def start(self) -> None:
        """Starts it. It serves somewhat later: see `wait_until_serving`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.serving", str(self._config)],
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])},
                stderr=log,
            )

    async def wait_until_serving(self) -> None:
        """Returns once it takes streams.

        Raises:
            AssertionError: it has ended; the message has its log.
        """
        async with ReactionClient(self.target) as client:
            while True:
                assert self._process is not None, "expected a started server"
                assert self._process.poll() is None, self._log.read_text()
                with contextlib.suppress(ClientError):
                    if await client.health("gifcue.v1.ReactionService") == "SERVING":
                        return
                await asyncio.sleep(_POLL_S)

    def kill(self) -> None:
        """SIGKILL; returns once it has ended. Its workers end by themselves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(TIMEOUT_S)

    def suspend(self) -> None:
        """SIGSTOP to the process that has the ports: it hangs until `resume`, while the kernel accepts connections."""
        assert self._process is not None, "expected a started server"
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None, "expected a started server"
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that takes too long."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    async def session_ids(self) -> set[str]:
        """The streams that are open on it."""
        async with ReactionClient(self.operator_target) as operator:
            return {each.session_id for each in (await operator.streams()).streams}
