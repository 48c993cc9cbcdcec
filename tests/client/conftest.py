from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gifcue.client import ReactionClient
from gifcue.testing import FakeServer


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[ReactionClient]:
    async with ReactionClient(server.target) as connected:
        yield connected
