"""The server of `gifcue demo`, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gifcue.cli.console import err, out
from gifcue.client import ClientError, ConnectionOptions, ReactionClient
from gifcue.errors import GifcueError, Unavailable

# The first start compiles the model's kernels, which takes long on a slow machine.
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.2
LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that serves: "host:port" of gRPC, the same of the operators' port, and the port of HTTP.

    `ended` is set once its process has ended.
    """

    target: str
    operator: str
    http_port: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)


StartServer = Callable[[Path], AbstractAsyncContextManager[RunningServer]]


@asynccontextmanager
async def running_server(folder: Path, http_port: int | None = None) -> AsyncIterator[RunningServer]:
    """Starts a server on free ports, waits until it serves, and stops it with SIGTERM.

    `http_port` is the port of HTTP; None takes a free one.

    Raises:
        Unavailable: the server did not start or stop as expected; its last log lines are printed.
    """
    grpc_port, free_port, operator_port = _free_ports(3)
    http_port = http_port or free_port
    config, log = folder / "gifcue.toml", folder / "server.log"
    config.write_text(
        f'[server]\nlisten = "127.0.0.1:{grpc_port}"\nhttp_listen = "127.0.0.1:{http_port}"\n'
        f'operator_listen = "127.0.0.1:{operator_port}"\noperator_http_listen = ""\n',
        encoding="utf-8",
    )
    target = f"127.0.0.1:{grpc_port}"
    with log.open("wb") as output:
        # In a group of its own: Ctrl-C in a terminal reaches this process alone, which then stops the server.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gifcue", "serve", "--config", str(config)),
            stdout=output,
            stderr=output,
            process_group=0,
        )
    server = RunningServer(target, f"127.0.0.1:{operator_port}", http_port)
    watch = asyncio.create_task(_tell_end(process, server.ended))
    try:
        with out.status("   starting, loading the model"):
            await _until_serving(process, target)
        yield server
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            code = await process.wait()
        if code != 0:
            raise Unavailable(f"expected the server to stop with exit code 0, got {code}")
    except TimeoutError:
        _show(log)
        raise Unavailable(f"expected the server to stop within {STOP_TIMEOUT_S:g} s, got nothing") from None
    except GifcueError:
        _show(log)
        raise
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await watch


async def _tell_end(process: asyncio.subprocess.Process, ended: asyncio.Event) -> None:
    await process.wait()
    ended.set()


async def _until_serving(process: asyncio.subprocess.Process, target: str) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + START_TIMEOUT_S
    health = "no answer"
    async with ReactionClient(target, ConnectionOptions(call_timeout_s=2.0)) as client:
        while loop.time() < deadline_s:
            if process.returncode is not None:
                raise Unavailable(f"expected a server that serves, got exit code {process.returncode}")
            with contextlib.suppress(ClientError):
                health = await client.health()
                if health == "SERVING":
                    return
            await asyncio.sleep(POLL_S)
    raise Unavailable(f"expected a server that serves within {START_TIMEOUT_S:g} s, got {health}")


def _free_ports(count: int) -> list[int]:
    """Ports that are free now. All are held until all are found, so that no two are the same."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]


def _show(log: Path) -> None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if lines:
        err.print("[dim]the last lines of the server's log:[/]")
    for line in lines[-LOG_LINES:]:
        err.print(f"  {line}", markup=False)
