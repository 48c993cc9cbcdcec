"""`gifcue serve` in a process of its own, with the real model, for tests that are not asynchronous."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.waiting import TIMEOUT_S


@dataclass
class ServeProcess:
    """The process and its ports. `lines` are those of its log, as they come."""

    process: subprocess.Popen[str]
    http_port: int = 0
    operator_http_port: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the pages, by the name under which browsers give a camera."""
        return f"http://localhost:{self.http_port}"

    @property
    def operator_url(self) -> str:
        return f"http://localhost:{self.operator_http_port}"


@contextlib.contextmanager
def serve_process(folder: Path, settings: str = "") -> Iterator[ServeProcess]:
    """Starts a server on free ports, waits until it serves, and stops it. `settings` is further TOML; it may go on with
    the table `server`.

    Raises:
        AssertionError: it does not start; the message has its log.
    """
    config = folder / "gifcue.toml"
    config.write_text(
        "[server]\n"
        + "".join(
            f'{name} = "127.0.0.1:0"\n'
            for name in ("listen", "http_listen", "operator_listen", "operator_http_listen")
        )
        + settings,
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gifcue", "serve", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    server = ServeProcess(process)
    is_serving = threading.Event()

    def follow() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": line.rstrip()}
            server.lines.append(event)
            if event["event"] == "serving":
                server.http_port, server.operator_http_port = event["http_port"], event["operator_http_port"]
                is_serving.set()
        is_serving.set()  # it has ended

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        assert is_serving.wait(TIMEOUT_S), f"expected a server within {TIMEOUT_S:g} s, got {server.lines}"
        assert server.http_port, f"expected a server, got {server.lines}"
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        follower.join()
        assert process.stderr is not None
        process.stderr.close()
