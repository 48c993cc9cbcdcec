"""Bounded waits for what another process or the network does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Longer than anything here takes on a busy machine, and shorter than the timeout of a test, so that the failure has the
# message of this module.
TIMEOUT_S = 60.0
# A loop without a pause would take the processor from the child processes that are waited for.
_POLL_S = 0.001


async def until(
    condition: Callable[[], object],
    *,
    expected: str = "the condition to hold",
    state: Callable[[], object] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Polls until `condition` holds. For conditions whose change sets no event.

    `expected` and the result of `state` complete the message: "expected ... within 60 s, got ...".

    Raises:
        TimeoutError: it does not hold within `timeout_s` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise TimeoutError(_message(expected, state, timeout_s)) from None


async def until_changed(
    changed: asyncio.Event,
    condition: Callable[[], object],
    *,
    expected: str = "the condition to hold",
    state: Callable[[], object] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Waits until `condition` holds, and checks it each time that `changed` is set.

    Raises:
        TimeoutError: it does not hold within `timeout_s` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                # No change is lost between the check and this call: neither yields to the event loop.
                changed.clear()
                await changed.wait()
    except TimeoutError:
        raise TimeoutError(_message(expected, state, timeout_s)) from None


def _message(expected: str, state: Callable[[], object] | None, timeout_s: float) -> str:
    got = "" if state is None else f", got {state()}"
    return f"expected {expected} within {timeout_s:g} s{got}"
