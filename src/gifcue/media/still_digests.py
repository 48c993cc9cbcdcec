"""Stills that a decoder was lost with, by their digests. Their bytes are refused from then on."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict

# The oldest are forgotten first.
MAX_REMEMBERED = 1024


class StillDigests:
    """Owned by the event loop's thread, which a digest takes a millisecond of. So the length is compared first: a still
    is only digested where one as long was lost.
    """

    def __init__(self) -> None:
        self._digests: OrderedDict[tuple[int, bytes], None] = OrderedDict()
        self._lengths: Counter[int] = Counter()

    def __len__(self) -> int:
        """Stills that are remembered."""
        return len(self._digests)

    def __contains__(self, data: bytes) -> bool:
        return len(data) in self._lengths and _key(data) in self._digests

    def add(self, data: bytes) -> None:
        """Remembers a still. Adding it again does nothing."""
        if data in self:
            return
        if len(self._digests) == MAX_REMEMBERED:
            (length, _), _ = self._digests.popitem(last=False)
            self._lengths[length] -= 1
            self._lengths += Counter()  # without those that are 0
        self._digests[_key(data)] = None
        self._lengths[len(data)] += 1


def _key(data: bytes) -> tuple[int, bytes]:
    return len(data), hashlib.sha256(data).digest()
