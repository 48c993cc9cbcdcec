from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from gifcue.client import ReactionClient
from gifcue.media.settings import MediaSettings
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.v1 import reaction_service_pb2_grpc
from tests.support.colour_detector import TARGET


@pytest.fixture
def settings() -> Settings:
    return load_settings(
        None,
        {
            "server": {"listen": "127.0.0.1:0", "http_listen": "127.0.0.1:0"},
            "limits": {"fault_interval_s": 0.0, "max_participants_per_stream": 4},
            # What is found must not depend on how fast the machine is.
            "media": MediaSettings(workers=1).unhurried().model_dump(),
            "detect": {"workers": 1},
            "supervision": {"backoff_initial_s": 0.01},
            "log": {"level": "error"},
        },
    )


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    async with Server(settings, detector_target=TARGET) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(f"127.0.0.1:{server.listen_port}") as connected:
        yield connected


@pytest.fixture
async def stub(server: Server) -> AsyncIterator[reaction_service_pb2_grpc.ReactionServiceStub]:
    """The bare wire, for what the client library would not let a caller do."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
        yield reaction_service_pb2_grpc.ReactionServiceStub(channel)
