"""Hands each cue to every sink that is configured."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gifcue.delivery.eyeson import EyesonSink, is_fetched, video_of
from gifcue.delivery.queue import DeliveryQueue, DeliveryStatistics
from gifcue.delivery.settings import DeliverySettings, QueueSettings
from gifcue.delivery.sink import Cue, Sink
from gifcue.delivery.webhook import WebhookSink


class Dispatcher:
    """One courier a sink: what one of them does is nothing to the others, and nothing to who hands over."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._public_url = (settings.public_url or "").rstrip("/")
        sinks: list[tuple[Sink, QueueSettings]] = []
        if settings.webhook is not None:
            sinks.append((WebhookSink(settings.webhook, wall_clock), settings.webhook.queue))
        if settings.eyeson is not None:
            sinks.append((EyesonSink(settings.eyeson), settings.eyeson.queue))
        self._plays = settings.eyeson is not None
        self._couriers = [
            DeliveryQueue(sink, courier, clock=clock, sleep=sleep, uniform=uniform) for sink, courier in sinks
        ]

    def hand(self, cue: Cue) -> None:
        """Never waits and never raises."""
        if not self._couriers:
            return
        video_url = None if cue.video_url is None else self._absolute(cue.video_url)
        absolute = replace(cue, url=self._absolute(cue.url), video_url=video_url)
        for courier in self._couriers:
            courier.hand(absolute)

    def has_video(self, url: str, media_type: str, video_url: str | None) -> bool:
        """False where eyeson is to play GIFs and cannot play this one."""
        video = video_of(url, media_type, video_url)
        return not self._plays or (video is not None and is_fetched(self._absolute(video)))

    async def stop(self, timeout_s: float) -> None:
        """Waits for what is open, at most `timeout_s`, and counts the rest as dead."""
        await asyncio.gather(*(courier.stop(timeout_s) for courier in self._couriers))

    def statistics(self) -> tuple[DeliveryStatistics, ...]:
        """One entry a sink."""
        return tuple(courier.statistics() for courier in self._couriers)

    def _absolute(self, url: str) -> str:
        return self._public_url + url if url.startswith("/") else url
