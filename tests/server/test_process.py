"""The process of a server: what signals do, and when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gifcue.client import InvalidRequest, ReactionClient, ServingState
from gifcue.server.stopping import STOP_GRACE_S
from tests.chaos.raw_http2 import closed_window
from tests.support.waiting import TIMEOUT_S, until

ROOT = Path(__file__).resolve().parents[2]
# What the interpreter and a busy machine add.
SLACK_S = 3.0
LONG_S = 300.0


@dataclass
class Serving:
    """A server in a process of its own. `lines` are those of its log, as they come."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.lines if each["event"] == event]

    async def until_logged(self, event: str) -> dict[str, Any]:
        await until(lambda: self.logged(event), expected=f"the line {event!r}", state=lambda: self.lines)
        return self.logged(event)[0]

    def workers(self) -> list[int]:
        listings = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for listing in listings for pid in listing.read_text().split()]

    async def ended(self) -> tuple[int, float]:
        """The exit code, and the seconds that it took from now."""
        began_s = time.monotonic()
        code = await asyncio.wait_for(self.process.wait(), TIMEOUT_S)
        return code, time.monotonic() - began_s


@contextlib.asynccontextmanager
async def serving(
    folder: Path, drain_timeout_s: float, operator: str = "", lame_duck_s: float = 0.0
) -> AsyncIterator[Serving]:
    config = folder / "gifcue.toml"
    config.write_text(
        f"""
[server]
listen = "127.0.0.1:0"
http_listen = ""
operator_listen = "{operator}"
operator_http_listen = ""
drain_timeout_s = {drain_timeout_s}
lame_duck_s = {lame_duck_s}
[media]
workers = 1
[detect]
workers = 1
""",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.serving", str(config),
        cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    server = Serving(process, [])

    async def follow() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            with contextlib.suppress(ValueError):
                server.lines.append(json.loads(line))

    following = asyncio.create_task(follow())
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await following


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_signal_drains_and_the_exit_code_is_0(tmp_path: Path) -> None:
    async with serving(tmp_path, LONG_S) as server:
        await server.until_logged("serving")
        workers = server.workers()
        server.process.send_signal(signal.SIGTERM)
        code, _ = await server.ended()
        assert code == 0
        await server.until_logged("stopped")
        assert len(workers) >= 2
        await until(lambda: not any(is_running(pid) for pid in workers))


async def test_a_client_that_does_not_read_does_not_put_off_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, 1.0) as server:
        port = (await server.until_logged("serving"))["grpc_port"]
        async with closed_window(f"127.0.0.1:{port}") as client:
            await server.until_logged("stream opened")
            await client.ask_statistics(10)
            server.process.send_signal(signal.SIGTERM)
            code, took_s = await server.ended()
        assert code == 0
        assert took_s < 1.0 + STOP_GRACE_S + SLACK_S
        assert (await server.until_logged("stream closed"))["status"] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("number", "lame_duck_s", "before"),
    [(signal.SIGTERM, LONG_S, "no new streams"), (signal.SIGINT, 0.0, "draining")],
    ids=["SIGTERM in the lame duck", "SIGINT in the drain"],
)
async def test_a_second_signal_ends_at_once(
    tmp_path: Path, number: signal.Signals, lame_duck_s: float, before: str
) -> None:
    async with serving(tmp_path, LONG_S, lame_duck_s=lame_duck_s) as server:
        port = (await server.until_logged("serving"))["grpc_port"]
        async with closed_window(f"127.0.0.1:{port}") as client:
            await server.until_logged("stream opened")
            await client.ask_statistics(10)
            workers = server.workers()
            # A worker that is stopped does not end by itself when its server is gone.
            os.kill(workers[0], signal.SIGSTOP)
            server.process.send_signal(number)
            await server.until_logged(before)
            server.process.send_signal(number)
            code, took_s = await server.ended()
        assert code == 128 + number
        assert took_s < SLACK_S
        assert (await server.until_logged("ended at once"))["reason"] == f"a second {number.name}"
        await until(lambda: not any(is_running(pid) for pid in workers))


async def test_stopped_workers_do_not_put_off_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, 0.5) as server:
        await server.until_logged("serving")
        workers = server.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        _, took_s = await server.ended()
        assert took_s < 0.5 + STOP_GRACE_S + SLACK_S
        await until(lambda: not any(is_running(pid) for pid in workers))


async def test_a_signal_during_the_start_ends_the_process(tmp_path: Path) -> None:
    async with serving(tmp_path, 1.0) as server:
        # The workers are the first that can be seen of a start.
        await until(server.workers)
        server.process.send_signal(signal.SIGTERM)
        code, _ = await server.ended()
        assert code == 0


async def test_an_operator_ends_the_process_and_a_signal_that_follows_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, LONG_S, operator="127.0.0.1:0") as server:
        ports = await server.until_logged("serving")
        async with (
            ReactionClient(f"127.0.0.1:{ports['operator_port']}") as operator,
            closed_window(f"127.0.0.1:{ports['grpc_port']}") as client,
        ):
            await server.until_logged("stream opened")
            await client.ask_statistics(10)
            drained = await operator.drain(1.0, exit=True)
            assert (drained.streams, drained.deadline_ms) == (1, LONG_S * 1000)
            await server.until_logged("draining")
            assert (await operator.status()).drain.exits
            with pytest.raises(InvalidRequest, match="got one whose process ends"):
                await operator.resume()
            # An orchestrator sends it to what already drains: it counts as the first signal.
            server.process.send_signal(signal.SIGTERM)
            assert (await operator.status()).state is ServingState.DRAINING
            assert server.process.returncode is None
        code, _ = await server.ended()
        assert code == 0
    assert not server.logged("ended at once")
