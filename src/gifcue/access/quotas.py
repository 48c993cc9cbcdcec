"""How much each caller uses: streams, participants, joins and stills."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gifcue.access.refusals import OverQuota, Reason
from gifcue.access.settings import AccessSettings

# Callers without an open stream that are remembered. Keys come from outside: over this many, those seen longest ago are
# forgotten, which at worst gives one of them a full bucket early.
MAX_REMEMBERED = 16_384
# How many seconds' worth of joins and stills may come at once: after a restart, a media server joins everybody again.
BURST_S = 10.0
# When to come back where only the end of another stream or participant helps.
_LATER_S = 5.0


class _Bucket:
    """Admits `rate` occurrences a second on average, and `BURST_S` seconds' worth at once."""

    __slots__ = ("_full_at_s",)

    def __init__(self) -> None:
        self._full_at_s = -float("inf")

    def wait_s(self, rate: float, now_s: float) -> float:
        """Takes one occurrence and returns 0; where there is none, takes nothing and returns how long to wait."""
        if rate <= 0:
            return 0.0
        # The bucket is kept as the time at which it will be full again.
        full_at_s = max(self._full_at_s, now_s) + 1 / rate
        # A rate below 1 in BURST_S seconds still admits one at once.
        over_s = full_at_s - now_s - max(BURST_S, 1 / rate)
        if over_s > 1e-9:
            return over_s
        self._full_at_s = full_at_s
        return 0.0


class _Usage:
    __slots__ = ("joins", "participants", "stills", "streams")

    def __init__(self) -> None:
        self.streams = 0
        self.participants = 0
        self.joins = _Bucket()
        self.stills = _Bucket()


class Quotas:
    """What every caller uses at the moment. `clock` is in seconds."""

    def __init__(self, settings: AccessSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        # With open streams, which the server's own limit of streams bounds; and without any, in the order of use.
        self._open: dict[str, _Usage] = {}
        self._idle: OrderedDict[str, _Usage] = OrderedDict()

    @property
    def remembered(self) -> int:
        """The number of callers that are remembered."""
        return len(self._open) + len(self._idle)

    def open_stream(self, caller: str, *, replaces: bool = False) -> None:
        """Raises OverQuota where the caller has as many streams as it may have, unless the new one `replaces` another,
        which ends at once.
        """
        usage = self._usage(caller)
        limit = self._settings.max_streams
        if limit and not replaces and usage.streams >= limit:
            message = f"expected at most {limit} streams of one caller at once (access.max_streams)"
            raise OverQuota(Reason.STREAMS, message, _LATER_S)
        usage.streams += 1
        self._idle.pop(caller, None)
        self._open[caller] = usage

    def close_stream(self, caller: str) -> None:
        """A stream ended; its participants have left before."""
        usage = self._open[caller]
        usage.streams -= 1
        if not usage.streams:
            del self._open[caller]
            self._remember(caller, usage)

    def join(self, caller: str, *, is_new: bool) -> None:
        """Raises OverQuota for a join too many; `is_new` says whether it adds a participant or replaces one."""
        usage = self._usage(caller)
        limit = self._settings.max_participants
        if is_new and limit and usage.participants >= limit:
            message = f"expected at most {limit} participants of one caller at once (access.max_participants)"
            raise OverQuota(Reason.PARTICIPANTS, message, _LATER_S)
        rate = self._settings.joins_per_s
        wait_s = usage.joins.wait_s(rate, self._clock())
        if wait_s:
            message = f"expected at most {rate:g} joins a second of one caller (expert.access.joins_per_s)"
            raise OverQuota(Reason.JOINS, message, wait_s)
        usage.participants += is_new

    def leave(self, caller: str) -> None:
        """A participant left."""
        self._usage(caller).participants -= 1

    def still(self, caller: str) -> None:
        """Raises OverQuota for a still too many."""
        rate = self._settings.stills_per_s
        wait_s = self._usage(caller).stills.wait_s(rate, self._clock())
        if wait_s:
            message = f"expected at most {rate:g} stills a second of one caller (expert.access.stills_per_s)"
            raise OverQuota(Reason.STILLS, message, wait_s)

    def _usage(self, caller: str) -> _Usage:
        usage = self._open.get(caller)
        if usage is None:
            usage = self._idle.pop(caller, None) or _Usage()
            self._remember(caller, usage)
        return usage

    def _remember(self, caller: str, usage: _Usage) -> None:
        self._idle[caller] = usage
        if len(self._idle) > MAX_REMEMBERED:
            self._idle.popitem(last=False)
