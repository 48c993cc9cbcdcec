"""Waiting for what has no event of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Long enough for a machine that is busy elsewhere; a test that needs it has failed.
DEADLINE_S = 60.0


async def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Gives the loop turns until the condition holds.

    Raises:
        TimeoutError: it does not hold within `deadline_s`.
    """
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
