"""What the tests of both command lines share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from typer.testing import CliRunner, Result

from gifcue.testing import FakeServer

Command = Callable[..., Result]


def command_of(app: typer.Typer, name: str) -> Command:
    """Runs a command line with the arguments given. A traceback in its output fails the test. `stdin` is its input."""
    runner = CliRunner()

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        result = runner.invoke(app, [str(each) for each in arguments], input=stdin, prog_name=name)
        assert "Traceback" not in result.output
        return result

    return run


@contextmanager
def fake_server_in_thread() -> Iterator[FakeServer]:
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
