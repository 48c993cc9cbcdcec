"""A fake of eyeson's playbacks API and of a webhook receiver, over real HTTP. It records what it receives."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.support.waiting import TIMEOUT_S

_VIDEO_SUFFIXES = (".mp4", ".webm")


@dataclass(frozen=True, slots=True)
class Received:
    """A request. `reaction_id` is the playback's `play_id` or the webhook's id."""

    path: str
    reaction_id: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.body)
        return values


class FakeMeetingApi:
    """Listens on 127.0.0.1 inside `async with`. Its `url` stays the same after `kill` and `start`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        # How often it acted on each reaction.
        self.acted: Counter[str] = Counter()
        self.status = 201
        self.retry_after = ""
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.Transport] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._arrived = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> FakeMeetingApi:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Listens, on the same port every time."""
        application = web.Application()
        application.router.add_post("/rooms/{key}/playbacks", self._receive)
        application.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def kill(self) -> None:
        """Stops listening and aborts all connections. Requests that were held are not answered."""
        for transport in self._transports:
            transport.abort()
        self.release()  # the handlers of held requests must end before the clean-up
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def hold(self) -> None:
        """Acts on requests, but answers none of them until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def arrived(self, count: int) -> None:
        """Returns once `count` requests have arrived since the beginning.

        Raises:
            AssertionError: they did not arrive within `TIMEOUT_S` seconds.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), self._arrived:
                await self._arrived.wait_for(lambda: len(self.received) >= count)
        except TimeoutError:
            raise AssertionError(f"expected {count} requests, got {len(self.received)}") from None

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        transport = request.transport
        assert transport is not None  # a request whose body was read has a transport
        self._transports.add(transport)
        try:
            values = json.loads(body)
            reaction_id = request.headers.get("webhook-id") or values["play_id"]
            received = Received(request.path, reaction_id, dict(request.headers), body)
            status = self._status_for(request, values)
            if 200 <= status < 300:
                self.acted[reaction_id] += 1
            async with self._arrived:
                self.received.append(received)
                self._arrived.notify_all()
            await self._open.wait()
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=status, headers=headers)
        finally:
            self._transports.discard(transport)

    def _status_for(self, request: web.Request, values: Mapping[str, Any]) -> int:
        is_playback = "key" in request.match_info
        if is_playback and not str(values.get("url", "")).endswith(_VIDEO_SUFFIXES):
            return 400
        return self.status
