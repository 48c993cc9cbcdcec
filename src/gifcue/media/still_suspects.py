"""Stills that cost a decoder its life, and the callers that sent them. Times are handed in."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

# Stills and callers that are remembered; the oldest are forgotten first.
MAX_REMEMBERED = 1024
# Events after which a caller has to wait, and for how long: twice as long after each further event.
_EVENTS = 2
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
# A caller without an event for so long begins anew.
FORGIVEN_AFTER_S = 600.0


@dataclass(slots=True)
class _Caller:
    events: int = 0
    last_s: float = 0.0
    until_s: float = 0.0


class StillSuspects:
    """Remembers what a decoder held when it died or spent its budget."""

    def __init__(self) -> None:
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
        # By length first: a digest is only computed for stills as long as a remembered one.
        self._digests: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._lengths: dict[int, int] = {}

    def blame(self, caller: str, data: bytes, now_s: float) -> None:
        """A decoder was lost with this still."""
        key = (len(data), _digest(data))
        if key not in self._digests:
            self._digests[key] = None
            self._lengths[key[0]] = self._lengths.get(key[0], 0) + 1
            if len(self._digests) > MAX_REMEMBERED:
                (length, _), _ = self._digests.popitem(last=False)
                self._lengths[length] -= 1
                if not self._lengths[length]:
                    del self._lengths[length]
        entry = self._callers.pop(caller, None)
        if entry is None or now_s - entry.last_s > FORGIVEN_AFTER_S:
            entry = _Caller()
        entry.events += 1
        entry.last_s = now_s
        if entry.events >= _EVENTS:
            entry.until_s = now_s + min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(entry.events - _EVENTS, 16))
        self._callers[caller] = entry
        if len(self._callers) > MAX_REMEMBERED:
            self._callers.popitem(last=False)

    def is_known(self, data: bytes) -> bool:
        """True where a decoder was lost with these bytes before."""
        return len(data) in self._lengths and (len(data), _digest(data)) in self._digests

    def pause_s(self, caller: str, now_s: float) -> float:
        """Seconds that a caller has to wait before its next still is taken; 0 for one that has not."""
        entry = self._callers.get(caller)
        return max(0.0, entry.until_s - now_s) if entry is not None else 0.0

    def __len__(self) -> int:
        """Stills that are remembered."""
        return len(self._digests)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
