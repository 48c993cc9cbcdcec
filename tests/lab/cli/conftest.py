from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from gifcue.testing import FakeServer
from gifcue_lab.cli.app import app

Lab = Callable[..., Result]


@pytest.fixture
def lab() -> Lab:
    """Runs `gifcue-lab` with the arguments given."""
    runner = CliRunner()

    def run(*arguments: str) -> Result:
        result = runner.invoke(app, [str(each) for each in arguments], prog_name="gifcue-lab")
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fake server with its own event loop and thread, because a command runs its own event loop."""
    fake = FakeServer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result()
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(fake.kill(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
