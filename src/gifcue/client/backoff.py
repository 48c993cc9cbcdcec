"""How long to wait before dialling again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before dialling again: first_s · factor^n, no more than max_s, ± a share of `jitter`.

    `uniform` gives 0..1 and `sleep` waits: both handed in so that tests decide. `max_attempts` in a row, then
    the stream ends with the last error; None never gives up.
    """

    first_s: float = 0.25
    factor: float = 2.0
    max_s: float = 10.0
    jitter: float = 0.2
    max_attempts: int | None = None
    uniform: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay_s(self, attempt: int) -> float:
        """Seconds before attempt `attempt`, which counts from 1 since the last connection that worked."""
        # The exponent is bounded so that a night without a server does not overflow a float.
        plain_s = min(self.max_s, self.first_s * self.factor ** min(attempt - 1, 64))
        return plain_s * (1 + self.jitter * (2 * self.uniform() - 1))
