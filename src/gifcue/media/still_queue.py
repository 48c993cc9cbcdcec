"""Stills that wait for a decoder. Callers take turns, so that one with many stills does not delay one with a single."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

S = TypeVar("S")


class StillQueue(Generic[S]):
    """`S` is what stands for a still; it is hashable, and waits once."""

    def __init__(self) -> None:
        # The caller whose turn is next comes first. No caller is kept without a still.
        self._callers: OrderedDict[str, deque[S]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, caller: str, still: S) -> None:
        """Lets a still wait behind the caller's others."""
        self._callers.setdefault(caller, deque()).append(still)
        self._count += 1

    def take(self) -> S:
        """The next still. Raises KeyError where none waits."""
        caller, stills = self._callers.popitem(last=False)
        still = stills.popleft()
        self._count -= 1
        if stills:
            self._callers[caller] = stills
        return still

    def withdraw(self, caller: str, still: S) -> bool:
        """Removes a still whose caller has gone; False where it does not wait."""
        stills = self._callers.get(caller)
        if stills is None or still not in stills:
            return False
        stills.remove(still)
        self._count -= 1
        if not stills:
            del self._callers[caller]
        return True
