"""Carries cues to one sink: a bounded queue, attempts, backoff, and books that balance."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gifcue.delivery.settings import QueueSettings
from gifcue.delivery.sink import Answer, Cue, DeadReason, Sink, Verdict

log = structlog.get_logger()

# What the configuration leaves out on purpose: counted, and no news.
_EXPECTED = frozenset({DeadReason.NO_ROOM, DeadReason.NO_VIDEO})


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """handed = delivered + Σ dead + queued, at any moment. `queued` are those that wait, are sent, or back off."""

    sink: str
    handed: int
    delivered: int
    dead: dict[str, int]
    queued: int
    retries: int


@dataclass(slots=True)
class _Parcel:
    """One cue on its way. `in_doubt`: an attempt left and was never answered, so that the receiver may have it."""

    cue: Cue
    handed_s: float
    in_doubt: bool = False
    last: DeadReason = DeadReason.EXPIRED


class DeliveryQueue:
    """Each cue is a task of its own, so that one that backs off holds up no other; they may arrive out of order.

    At most once: where an attempt was sent and not answered, nothing tells whether the receiver took it. It is counted
    as `unanswered` and not sent again, unless `retry_unanswered` says that the receiver knows repetitions by their id.
    `clock`, `sleep` and `uniform` (0..1) are handed in.
    """

    def __init__(
        self,
        sink: Sink,
        settings: QueueSettings,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[], float],
    ) -> None:
        self._sink = sink
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._turns = asyncio.Semaphore(settings.max_requests)
        self._tasks: set[asyncio.Task[DeadReason | None]] = set()
        self._is_stopping = False
        self._handed = 0
        self._delivered = 0
        self._dead: Counter[str] = Counter()
        self._retries = 0

    def hand(self, cue: Cue) -> None:
        """Takes a cue. Never waits, never raises for what the sink does; to be called on the loop."""
        self._handed += 1
        reason = self._sink.objection(cue)
        if self._is_stopping:
            reason = DeadReason.STOPPED
        elif reason is None and len(self._tasks) >= self._settings.max_queued:
            reason = DeadReason.QUEUE_FULL
        if reason is not None:
            self._bury(cue, reason)
            return
        parcel = _Parcel(cue, self._clock())
        task = asyncio.get_running_loop().create_task(self._carry(parcel))
        self._tasks.add(task)
        # Not at the end of the task: one that is cancelled before its first turn never gets there.
        task.add_done_callback(functools.partial(self._ended, parcel))

    async def stop(self, timeout_s: float) -> None:
        """Takes no more cues, waits for those that are open, gives up what is left then, and closes the sink."""
        self._is_stopping = True
        timer = asyncio.ensure_future(self._sleep(timeout_s))
        while self._tasks and not timer.done():
            await asyncio.wait({timer, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(timer, *rest, return_exceptions=True)
        await self._sink.close()

    def statistics(self) -> DeliveryStatistics:
        return DeliveryStatistics(
            self._sink.name,
            self._handed,
            self._delivered,
            dict(self._dead),
            len(self._tasks),
            self._retries,
        )

    async def _carry(self, parcel: _Parcel) -> DeadReason | None:
        """None once it is delivered, otherwise why it never will be."""
        attempts = 0
        while True:
            async with self._turns:
                if self._age_s(parcel) >= self._settings.max_age_s:
                    return parcel.last
                self._retries += attempts > 0
                attempts += 1
                answer = await self._attempt(parcel)
            match answer.verdict:
                case Verdict.DELIVERED:
                    parcel.in_doubt = False
                    return None
                case Verdict.DEAD:
                    return answer.reason
                case Verdict.BUSY:
                    parcel.last = DeadReason.BUSY
                case Verdict.LOST:
                    parcel.last = DeadReason.UNREACHABLE
                    if parcel.in_doubt and not self._settings.retry_unanswered:
                        return DeadReason.UNANSWERED
            pause_s = max(self._backoff_s(attempts), answer.wait_s)
            if self._age_s(parcel) + pause_s >= self._settings.max_age_s:
                return parcel.last
            await self._sleep(pause_s)

    async def _attempt(self, parcel: _Parcel) -> Answer:
        was_in_doubt = parcel.in_doubt

        def begun() -> None:
            parcel.in_doubt = True

        sending = asyncio.ensure_future(self._sink.send(parcel.cue, begun))
        timer = asyncio.ensure_future(self._sleep(self._settings.timeout_s))
        try:
            await asyncio.wait({sending, timer}, return_when=asyncio.FIRST_COMPLETED)
            answer = sending.result() if sending.done() else Answer(Verdict.LOST)
        finally:
            for each in (sending, timer):
                each.cancel()
            await asyncio.gather(sending, timer, return_exceptions=True)
        if answer.verdict in (Verdict.BUSY, Verdict.DEAD):
            parcel.in_doubt = was_in_doubt  # this attempt was answered
        return answer

    def _backoff_s(self, attempts: int) -> float:
        # The exponent is bounded so that a long age does not overflow a float.
        plain_s = self._settings.backoff_initial_s * 2.0 ** min(attempts - 1, 32)
        spread = 1.0 + self._settings.jitter * (2.0 * self._uniform() - 1.0)
        return min(plain_s, self._settings.backoff_max_s) * spread

    def _age_s(self, parcel: _Parcel) -> float:
        return self._clock() - parcel.handed_s

    def _ended(self, parcel: _Parcel, task: asyncio.Task[DeadReason | None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            reason: DeadReason | None = DeadReason.STOPPED
        elif (error := task.exception()) is not None:
            # Its type alone: what it says may hold an address.
            log.error("a sink raised", sink=self._sink.name, error=type(error).__name__)
            reason = DeadReason.FAILED
        else:
            reason = task.result()
        if reason is None:
            self._delivered += 1
        else:
            self._bury(parcel.cue, DeadReason.UNANSWERED if parcel.in_doubt else reason)

    def _bury(self, cue: Cue, reason: DeadReason) -> None:
        self._dead[reason.value] += 1
        if reason not in _EXPECTED:
            log.warning(
                "reaction not handed on", sink=self._sink.name, reason=reason.value, reaction=cue.reaction_id
            )
