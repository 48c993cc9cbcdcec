"""What an attack is."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.server import Server


@dataclass(frozen=True, slots=True)
class Attack:
    """What one hostile client does to a server. `run` ends by itself or is cancelled; it never raises for refusals."""

    name: str
    summary: str
    run: Callable[[Server, random.Random], Awaitable[None]]
