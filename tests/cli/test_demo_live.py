from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gifcue.cli.demo_live import free_or, run_live
from gifcue.cli.demo_server import RunningServer, StartServer

from .conftest import Gifcue


def starting(server: RunningServer) -> StartServer:
    @asynccontextmanager
    async def started(folder: Path) -> AsyncIterator[RunningServer]:
        yield server

    return started


@pytest.mark.parametrize("opens", [True, False])
async def test_it_opens_the_page_and_prints_its_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], opens: bool
) -> None:
    opened: list[str] = []
    stop = asyncio.Event()

    def open_page(url: str) -> bool:
        opened.append(url)
        return opens

    stop.set()
    server = RunningServer("127.0.0.1:1", "127.0.0.1:2", 8123)
    await run_live(tmp_path, start_server=starting(server), open_page=open_page, stop=stop)
    assert opened == ["http://localhost:8123/live"]
    output = capsys.readouterr().out
    assert "http://localhost:8123/live" in output
    assert ("Open the address yourself" in output) is not opens


async def test_it_ends_with_its_server(tmp_path: Path) -> None:
    server = RunningServer("127.0.0.1:1", "127.0.0.1:2", 8123)
    server.ended.set()
    await run_live(tmp_path, start_server=starting(server), open_page=lambda url: True)


def test_a_port_that_is_taken_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_or(port) is None
    assert free_or(port) == port


def test_the_demo_serves_the_page_until_interrupted(tmp_path: Path) -> None:
    """The whole command, with a browser that only writes down the address."""
    browser, told = tmp_path / "browser", tmp_path / "address"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}\n', encoding="utf-8")
    browser.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "gifcue", "demo", "--live"],
        env={**os.environ, "BROWSER": str(browser), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        seen = ""
        while not (address := re.search(r"http://localhost:(\d+)/live", seen)):
            line = process.stdout.readline()
            assert line, f"expected the address of the page, got {seen!r}"
            seen += line
        with socket.create_connection(("127.0.0.1", int(address[1])), timeout=60) as connection:
            connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 200 OK")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 0, seen + output
    assert "exit code 0" in output
    assert told.read_text(encoding="utf-8").strip() == address[0]


def test_the_demo_names_the_page(gifcue: Gifcue) -> None:
    assert "--live" in gifcue("demo", "--help").output
