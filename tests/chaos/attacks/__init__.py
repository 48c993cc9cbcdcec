"""What one hostile client can do, by name: cases run one attack each, the hostile run mixes all of them."""

from __future__ import annotations

from tests.chaos.attacks import bitstreams, calls, floods, http, memory, messages, websockets
from tests.chaos.attacks.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *bitstreams.ATTACKS,
    *floods.ATTACKS,
    *messages.ATTACKS,
    *memory.ATTACKS,
    *calls.ATTACKS,
    *http.ATTACKS,
    *websockets.ATTACKS,
)
