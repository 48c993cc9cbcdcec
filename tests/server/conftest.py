"""Servers for tests.

`server`, `client`, `operator` and `stub` are the test's own. A module whose tests neither stop, kill nor reconfigure
the server has one for all of them: it overrides these fixtures with those called `shared_...`, and runs in one event
loop, because a server belongs to the loop that it was started in:

    pytestmark = pytest.mark.asyncio(loop_scope="module")
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from gifcue.client import ReactionClient
from gifcue.media.settings import MediaSettings
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.v1 import reaction_service_pb2_grpc
from tests.support.colour_detector import TARGET

Stub = reaction_service_pb2_grpc.ReactionServiceStub


def _settings() -> Settings:
    return load_settings(
        None,
        {
            "server": dict.fromkeys(
                ("listen", "http_listen", "operator_listen", "operator_http_listen"), "127.0.0.1:0"
            ),
            "limits": {"fault_interval_s": 0.0, "max_participants_per_stream": 4},
            # The result must not depend on the speed of the machine.
            "media": MediaSettings(workers=1).with_constant_rate().model_dump(),
            "detect": {"workers": 1},
            "supervision": {"backoff_initial_s": 0.01},
            "log": {"level": "error"},
        },
    )


def _address(server: Server) -> str:
    return f"127.0.0.1:{server.listen_port}"


@pytest.fixture
def settings() -> Settings:
    return _settings()


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    async with Server(settings, detector_target=TARGET) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(_address(server)) as connected:
        yield connected


@pytest.fixture
async def operator(server: Server) -> AsyncIterator[ReactionClient]:
    """A client of the operators' port."""
    async with ReactionClient(f"127.0.0.1:{server.operator_port}") as connected:
        yield connected


@pytest.fixture
async def stub(server: Server) -> AsyncIterator[Stub]:
    """The generated stub, for calls that the client library prevents."""
    async with grpc.aio.insecure_channel(_address(server)) as channel:
        yield Stub(channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server() -> AsyncIterator[Server]:
    """A server with `settings` for all tests of a module."""
    async with Server(_settings(), detector_target=TARGET) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client(shared_server: Server) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(_address(shared_server)) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_operator(shared_server: Server) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(f"127.0.0.1:{shared_server.operator_port}") as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stub(shared_server: Server) -> AsyncIterator[Stub]:
    async with grpc.aio.insecure_channel(_address(shared_server)) as channel:
        yield Stub(channel)
