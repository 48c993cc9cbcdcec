"""Submits each cue to every configured sink."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from gifcue.delivery.eyeson import EyesonSink
from gifcue.delivery.queue import DeliveryQueue, DeliveryStatistics
from gifcue.delivery.settings import DeliverySettings, QueueSettings
from gifcue.delivery.sink import Cue, CueGif, DeadReason, Sink
from gifcue.delivery.webhook import WebhookSink


@dataclass(frozen=True, slots=True)
class RejectedGifs:
    """How many GIFs a sink can never show, for one reason."""

    sink: str
    reason: DeadReason
    count: int


class Dispatcher:
    """Owns one delivery queue per sink, so that a slow or failing sink affects neither the others nor the caller."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._base_url = settings.base_url
        sinks: list[tuple[Sink, QueueSettings]] = []
        if settings.webhook is not None:
            sinks.append((WebhookSink(settings.webhook, wall_clock), settings.webhook.queue))
        if settings.eyeson is not None:
            sinks.append((EyesonSink(settings.eyeson), settings.eyeson.queue))
        self._queues = [
            DeliveryQueue(sink, queue, clock=clock, sleep=sleep, uniform=uniform) for sink, queue in sinks
        ]

    def submit(self, cue: Cue) -> None:
        """Hands a cue to every sink. Never waits and never raises."""
        if not self._queues:
            return
        absolute = replace(cue, gif=self._absolute(cue.gif))
        for queue in self._queues:
            queue.submit(absolute)

    def rejected_gifs(self, gifs: Iterable[CueGif]) -> list[RejectedGifs]:
        """The sinks that can never show some of these GIFs, in any room."""
        absolute = [self._absolute(gif) for gif in gifs]
        counts: Counter[tuple[str, DeadReason]] = Counter()
        for queue in self._queues:
            reasons = [queue.sink.reject_reason(gif) for gif in absolute]
            counts.update((queue.sink.name, reason) for reason in reasons if reason is not None)
        return [RejectedGifs(sink, reason, count) for (sink, reason), count in counts.items()]

    async def stop(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` for the open cues, and counts the rest as dead."""
        await asyncio.gather(*(queue.stop(timeout_s) for queue in self._queues))

    def statistics(self) -> tuple[DeliveryStatistics, ...]:
        """One entry per sink."""
        return tuple(queue.statistics() for queue in self._queues)

    def _absolute(self, gif: CueGif) -> CueGif:
        """The GIF with the addresses that receivers get."""
        video_url = None if gif.video_url is None else self._absolute_url(gif.video_url)
        return replace(gif, url=self._absolute_url(gif.url), video_url=video_url)

    def _absolute_url(self, url: str) -> str:
        return self._base_url + url if url.startswith("/") else url
