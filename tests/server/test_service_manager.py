"""What a server tells systemd, read from a socket as systemd has it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gifcue.server.service_manager import ServiceManager
from tests.server.test_process import serving
from tests.support.manual_time import ManualTime
from tests.support.waiting import TIMEOUT_S, until


class Systemd:
    """The socket of a service manager."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self.told: list[str] = []

    def read(self) -> list[str]:
        """All messages so far."""
        while True:
            try:
                self.told += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["/notify", "@gifcue-test-notify"], ids=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    # The name of a socket in the file system must be short.
    name: str = request.param
    return f"{name}-{os.getpid()}" if name.startswith("@") else os.path.relpath(tmp_path) + name


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    manager = Systemd(address)
    yield manager
    manager.close()


def test_messages_come_together(systemd: Systemd, address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).tell("READY=1", "STATUS=serving")
    assert systemd.read() == ["READY=1", "STATUS=serving"]


def test_without_a_service_manager_nobody_is_told() -> None:
    manager = ServiceManager({"WATCHDOG_USEC": "1000000"})
    manager.tell("READY=1")
    assert manager.watchdog_s == 0.0


def test_a_socket_that_is_gone_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    with capture_logs() as logs:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")}).tell("READY=1")
    assert [line["event"] for line in logs] == ["the service manager could not be told"]


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_for_this_process_alone(variables: dict[str, str], seconds: float) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/none", **variables}).watchdog_s == seconds


async def test_signs_of_life_come_twice_as_often_as_they_must_and_only_while_alive(
    systemd: Systemd, address: str
) -> None:
    time, is_alive = ManualTime(), True
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000"})
    task = asyncio.create_task(manager.keep_alive(lambda: is_alive, time.sleep))
    counts = []
    for alive in (True, True, False, False, True):
        await until(lambda: time.waits_s == [5.0])
        counts.append(len(systemd.read()))
        is_alive = alive
        time.advance(5.0)
    assert counts == [1, 2, 3, 3, 3]
    task.cancel()


async def test_a_server_tells_that_it_is_ready_lives_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"@gifcue-test-{os.getpid()}"
    systemd = Systemd(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    async with serving(tmp_path, 1.0) as server:
        await server.until_logged("serving")
        await until(lambda: "WATCHDOG=1" in systemd.read(), expected="a sign of life", state=systemd.read)
        server.process.send_signal(signal.SIGTERM)
        assert (await asyncio.wait_for(server.ended(), TIMEOUT_S))[0] == 0
    told = systemd.read()
    systemd.close()
    assert told[0] == "READY=1"
    assert told.count("READY=1") == told.count("STOPPING=1") == 1
    assert told.index("STOPPING=1") > told.index("WATCHDOG=1")
