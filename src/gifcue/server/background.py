"""The tasks that run beside the streams for as long as a server serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

log = structlog.get_logger()


class Background:
    """Starts tasks and watches them. `on_failure` is called after one has failed."""

    def __init__(self, on_failure: Callable[[], object]) -> None:
        self._on_failure = on_failure
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, tasks: Mapping[str, Coroutine[Any, Any, None]]) -> None:
        """Starts a task for each coroutine, under the name that the log gives it."""
        for name, coroutine in tasks.items():
            task = asyncio.create_task(coroutine, name=name)
            task.add_done_callback(self._on_done)
            self._tasks.append(task)

    @property
    def is_whole(self) -> bool:
        """False once a task has ended, which none does by itself."""
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Cancels all and returns once they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the server failed", part=task.get_name(), exc_info=error)
            self._on_failure()
