from __future__ import annotations

from collections.abc import Iterator

import pytest

from gifcue.cli import app
from gifcue.testing import FakeServer
from tests.support.commands import Command, command_of, fake_server_in_thread

Gifcue = Command


@pytest.fixture
def gifcue() -> Gifcue:
    """Runs `gifcue` with the arguments given."""
    return command_of(app, "gifcue")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server_in_thread() as fake:
        yield fake
