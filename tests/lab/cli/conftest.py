from __future__ import annotations

from collections.abc import Iterator

import pytest

from gifcue.testing import FakeServer
from gifcue_lab.cli.app import app
from tests.support.commands import Command, command_of, fake_server_in_thread

Lab = Command


@pytest.fixture
def lab() -> Lab:
    """Runs `gifcue-lab` with the arguments given."""
    return command_of(app, "gifcue-lab")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server_in_thread() as fake:
        yield fake
