"""Delivers cues to one sink: a bounded queue, attempts with backoff, and consistent counting."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gifcue.delivery.settings import QueueSettings
from gifcue.delivery.sink import AttemptOutcome, AttemptResult, Cue, DeadReason, Sink

log = structlog.get_logger()

# Reasons that follow from the configuration. They are counted, but not logged for every reaction.
_CONFIGURED = frozenset({DeadReason.NO_ROOM, DeadReason.NO_VIDEO})


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """Counts of cues. At any moment, submitted = delivered + Σ dead + queued.

    `queued` counts the cues that wait, are being sent, or back off. `retries` counts attempts, not cues.
    """

    sink: str
    submitted: int
    delivered: int
    dead: dict[str, int]
    queued: int
    retries: int


@dataclass(slots=True)
class _Delivery:
    """One cue on its way. The task that delivers it owns it.

    `may_have_arrived`: an attempt was sent and never answered. `last_reason` is what the cue is given up for if it
    becomes too old.
    """

    cue: Cue
    submitted_s: float
    may_have_arrived: bool = False
    last_reason: DeadReason = DeadReason.EXPIRED


class DeliveryQueue:
    """Delivers each cue at most once, in a task of its own, so that a cue that backs off does not delay the others.

    Cues may therefore arrive in another order. If an attempt was sent and not answered, nothing tells whether the
    receiver took the cue. It counts as `unanswered` and is not sent again, unless `retry_unanswered` says that the
    receiver recognises repetitions by their id.

    Args:
        sink: Owned by the queue, which closes it.
        settings: Bounds, timeouts and backoff.
        clock: Monotonic seconds.
        sleep: Waits for so many seconds of the same clock.
        uniform: A random number from 0 to 1, for the jitter.
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
        self._request_slots = asyncio.Semaphore(settings.max_requests)
        # A set of tasks and not a TaskGroup: a cue that fails must not cancel the others.
        self._tasks: set[asyncio.Task[DeadReason | None]] = set()
        self._is_stopping = False
        self._submitted = 0
        self._delivered = 0
        self._dead: Counter[str] = Counter()
        self._retries = 0

    @property
    def sink(self) -> Sink:
        return self._sink

    def submit(self, cue: Cue) -> None:
        """Takes a cue. Never waits, and never raises for what the sink does. Must be called on the event loop."""
        self._submitted += 1
        reason = self._sink.reject_reason(cue.gif, cue.room_id)
        if self._is_stopping:
            reason = DeadReason.STOPPED
        elif reason is None and len(self._tasks) >= self._settings.max_queued:
            reason = DeadReason.QUEUE_FULL
        if reason is not None:
            self._give_up(cue, reason)
            return
        delivery = _Delivery(cue, self._clock())
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        # Counting is left to a callback. A task that is cancelled before its first step never runs any of its code, so
        # a `finally` in it would leave the cue uncounted.
        task.add_done_callback(functools.partial(self._on_done, delivery))

    async def stop(self, timeout_s: float) -> None:
        """Takes no more cues, waits up to `timeout_s` for the open ones, gives up the rest, and closes the sink."""
        # First: a cue that is submitted while this waits must not start a task that nobody awaits.
        self._is_stopping = True
        timer = asyncio.ensure_future(self._sleep(timeout_s))
        while self._tasks and not timer.done():
            await asyncio.wait({timer, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        remaining = list(self._tasks)
        for task in remaining:
            task.cancel()
        # The sink is closed only after all attempts have ended, since they use its connections.
        await asyncio.gather(timer, *remaining, return_exceptions=True)
        await self._sink.close()

    def statistics(self) -> DeliveryStatistics:
        return DeliveryStatistics(
            self._sink.name,
            self._submitted,
            self._delivered,
            dict(self._dead),
            len(self._tasks),
            self._retries,
        )

    async def _deliver(self, delivery: _Delivery) -> DeadReason | None:
        """Makes attempts until one succeeds or no further one makes sense. None if the cue was delivered."""
        attempts = 0
        while True:
            async with self._request_slots:
                # Checked after the wait for a slot, which may have taken longer than the cue is worth showing.
                if self._age_s(delivery) >= self._settings.max_age_s:
                    return delivery.last_reason
                self._retries += attempts > 0
                attempts += 1
                result = await self._attempt(delivery)
            match result.outcome:
                case AttemptOutcome.DELIVERED:
                    delivery.may_have_arrived = False
                    return None
                case AttemptOutcome.REFUSED:
                    return result.reason
                case AttemptOutcome.BUSY:
                    delivery.last_reason = DeadReason.BUSY
                case AttemptOutcome.NO_ANSWER:
                    delivery.last_reason = DeadReason.UNREACHABLE
                    if delivery.may_have_arrived and not self._settings.retry_unanswered:
                        return DeadReason.UNANSWERED
            pause_s = max(self._backoff_s(attempts), result.retry_after_s)
            if self._age_s(delivery) + pause_s >= self._settings.max_age_s:
                return delivery.last_reason
            await self._sleep(pause_s)

    async def _attempt(self, delivery: _Delivery) -> AttemptResult:
        may_have_arrived = delivery.may_have_arrived

        def on_sent() -> None:
            delivery.may_have_arrived = True

        sending = asyncio.ensure_future(self._sink.send(delivery.cue, on_sent))
        timer = asyncio.ensure_future(self._sleep(self._settings.timeout_s))
        try:
            await asyncio.wait({sending, timer}, return_when=asyncio.FIRST_COMPLETED)
            result = sending.result() if sending.done() else AttemptResult(AttemptOutcome.NO_ANSWER)
        finally:
            # Both must have ended before the request slot is released, or more requests than allowed would be open.
            for each in (sending, timer):
                each.cancel()
            await asyncio.gather(sending, timer, return_exceptions=True)
        if result.outcome in (AttemptOutcome.BUSY, AttemptOutcome.REFUSED):
            # This attempt was answered. An earlier one may still have arrived.
            delivery.may_have_arrived = may_have_arrived
        return result

    def _backoff_s(self, attempts: int) -> float:
        # The exponent is bounded, since after 1,024 attempts the power would overflow.
        pause_s = self._settings.backoff_initial_s * 2.0 ** min(attempts - 1, 32)
        spread = 1.0 + self._settings.jitter * (2.0 * self._uniform() - 1.0)
        return min(pause_s, self._settings.backoff_max_s) * spread

    def _age_s(self, delivery: _Delivery) -> float:
        return self._clock() - delivery.submitted_s

    def _on_done(self, delivery: _Delivery, task: asyncio.Task[DeadReason | None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            reason: DeadReason | None = DeadReason.STOPPED
        elif (error := task.exception()) is not None:
            # Only the type is logged: the message may hold an address.
            log.error("a sink raised", sink=self._sink.name, error=type(error).__name__)
            reason = DeadReason.FAILED
        else:
            reason = task.result()
        if reason is None:
            self._delivered += 1
        else:
            self._give_up(delivery.cue, DeadReason.UNANSWERED if delivery.may_have_arrived else reason)

    def _give_up(self, cue: Cue, reason: DeadReason) -> None:
        self._dead[reason.value] += 1
        if reason not in _CONFIGURED:
            log.warning(
                "reaction not delivered", sink=self._sink.name, reason=reason.value, reaction=cue.reaction_id
            )
