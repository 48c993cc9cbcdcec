"""How many stills are taken at once, in all and from one caller. A place is taken before a still's bytes are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType

from gifcue.errors import Overloaded, TooManyRequests
from gifcue.media.still_settings import StillSettings
from gifcue.media.suspects import Suspects

# When a refused caller may try again: by then a place is mostly free, since a still takes some tens of milliseconds.
RETRY_AFTER_MS = 1000


class StillPlace:
    """One still's share of the budgets, until `close`. A context manager that closes it."""

    def __init__(self, admission: StillAdmission, caller: str, size_bytes: int, deadline_s: float) -> None:
        self.caller = caller
        self.deadline_s = deadline_s
        self._admission = admission
        self._size_bytes = size_bytes
        self._is_open = True

    @property
    def size_bytes(self) -> int:
        """The bytes that are set aside."""
        return self._size_bytes

    def received(self, size_bytes: int) -> None:
        """The still has arrived. It is no larger than announced; what it does not need is given back."""
        if self._is_open and size_bytes < self._size_bytes:
            self._admission.give_back(self._size_bytes - size_bytes)
            self._size_bytes = size_bytes

    def close(self) -> None:
        """Gives the place back. Calling it again does nothing."""
        if self._is_open:
            self._is_open = False
            self._admission.leave(self)

    def __enter__(self) -> StillPlace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class StillAdmission:
    """The places of stills. `clock` gives seconds."""

    def __init__(
        self,
        settings: StillSettings,
        max_still_bytes: int,
        suspects: Suspects[str],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._max_still_bytes = max_still_bytes
        self._max_bytes = max(settings.max_waiting_bytes, max_still_bytes)
        self._suspects = suspects
        self._clock = clock
        self._callers: Counter[str] = Counter()
        self._count = 0
        self._bytes = 0
        self._refused: Counter[str] = Counter()

    def enter(self, caller: str, size_bytes: int | None = None) -> StillPlace:
        """Takes a place for a still of `size_bytes`, or of the largest size where it is not known yet.

        Raises:
            TooManyRequests: this caller has too many places, or has to wait.
            Overloaded: all places together are too many, or hold too many bytes.
        """
        settings = self._settings
        size_bytes = self._max_still_bytes if size_bytes is None else min(size_bytes, self._max_still_bytes)
        pause_s = self._suspects.held_s(caller)
        if pause_s > 0.0:
            self._refused["caller_paused"] += 1
            message = "expected stills that can be decoded: several of this caller could not"
            raise TooManyRequests(f"{message}; the next is taken in {pause_s:.0f} s", round(pause_s * 1000))
        if self._count >= settings.max_waiting:
            self._refused["too_many"] += 1
            raise Overloaded(f"expected at most {settings.max_waiting} stills at once", RETRY_AFTER_MS)
        if self._callers[caller] >= settings.max_waiting_per_caller:
            self._refused["too_many_of_caller"] += 1
            message = f"expected at most {settings.max_waiting_per_caller} stills of one caller at once"
            raise TooManyRequests(message, RETRY_AFTER_MS)
        if self._bytes + size_bytes > self._max_bytes:
            self._refused["too_many_bytes"] += 1
            raise Overloaded(f"expected stills of at most {self._max_bytes} bytes at once", RETRY_AFTER_MS)
        self._count += 1
        self._bytes += size_bytes
        self._callers[caller] += 1
        return StillPlace(self, caller, size_bytes, self._clock() + settings.timeout_s)

    def leave(self, place: StillPlace) -> None:
        """A place is free again. Called by the place itself."""
        self._count -= 1
        self._bytes -= place.size_bytes
        self._callers[place.caller] -= 1
        if not self._callers[place.caller]:
            del self._callers[place.caller]

    def give_back(self, size_bytes: int) -> None:
        """A place needs fewer bytes. Called by the place itself."""
        self._bytes -= size_bytes

    @property
    def count(self) -> int:
        """Places that are taken."""
        return self._count

    @property
    def bytes(self) -> int:
        """Bytes that are set aside for them."""
        return self._bytes

    @property
    def refused(self) -> Mapping[str, int]:
        """Stills refused since the start, by reason."""
        return self._refused
