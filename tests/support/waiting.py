"""Waiting, with a bound, for what another process or the network does and no event announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Longer than anything here takes on a busy machine, and shorter than the timeout of a test: the message is then ours.
TIMEOUT_S = 60.0
# Child processes need the processor that a loop without a pause would take.
_POLL_S = 0.001


async def until(
    condition: Callable[[], bool],
    *,
    expected: str = "the condition to hold",
    state: Callable[[], object] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Returns once `condition` holds.

    The message of a failure is "expected `expected` within 60 s, got `state()`".

    Raises:
        TimeoutError: it does not hold within `timeout_s` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        got = "" if state is None else f", got {state()}"
        raise TimeoutError(f"expected {expected} within {timeout_s:g} s{got}") from None
