"""LiveKit's signalling as a test writes it, without media."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from livekit.protocol import models, rtc

from tests.support.waiting import until


@dataclass(slots=True)
class FakeLiveKit:
    """`first` is what each new connection is told first, in order, None for nothing; then connections are refused with
    `refusal`.

    `queries` has the parameters of each connection, `requests` all that was received.
    """

    url: str = ""
    first: list[rtc.SignalResponse | bytes | None] = field(default_factory=list)
    refusal: tuple[int, str] = (503, "not now")
    queries: list[dict[str, str]] = field(default_factory=list)
    requests: list[rtc.SignalRequest] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)

    async def tell(self, response: rtc.SignalResponse | bytes) -> None:
        """Sends a message over the newest connection."""
        data = response if isinstance(response, bytes) else response.SerializeToString()
        with contextlib.suppress(ConnectionError):  # it is closed by what was sent before
            await self.sockets[-1].send_bytes(data)

    async def cut(self) -> None:
        """Ends the newest connection without a word of LiveKit's."""
        await self.sockets[-1].close()

    async def until_asked(self, kind: str, count: int = 1) -> list[Any]:
        """The requests of a kind, once so many have come."""
        await until(lambda: len(self.asked(kind)) >= count, state=lambda: self.requests)
        return self.asked(kind)

    def asked(self, kind: str) -> list[Any]:
        """The requests of a kind that have come."""
        return [getattr(each, kind) for each in self.requests if each.WhichOneof("message") == kind]


@asynccontextmanager
async def fake_livekit() -> AsyncIterator[FakeLiveKit]:
    """Running on a port of its own."""
    fake = FakeLiveKit()

    async def signalling(request: web.Request) -> web.StreamResponse:
        if not fake.first:
            return web.Response(status=fake.refusal[0])
        fake.queries.append({**request.query, "authorization": request.headers["Authorization"]})
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        fake.sockets.append(opened)
        first = fake.first.pop(0)
        if first is not None:
            await fake.tell(first)
        async for message in opened:
            if message.type is WSMsgType.BINARY:
                fake.requests.append(rtc.SignalRequest.FromString(message.data))
        return opened

    async def validate(_: web.Request) -> web.Response:
        status, text = fake.refusal
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_get("/rtc", signalling)
    app.router.add_get("/rtc/validate", validate)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        async with asyncio.timeout(10.0):
            await runner.cleanup()


def info(identity: str, attributes: dict[str, str] | None = None, *tracks: str, **fields: Any) -> Any:
    """A participant with cameras of these ids."""
    return models.ParticipantInfo(
        **{"identity": identity, "sid": f"PA_{identity}", "version": 1, **fields},
        attributes=attributes or {},
        tracks=[
            models.TrackInfo(
                sid=track,
                type=models.TrackType.VIDEO,
                source=models.TrackSource.CAMERA,
                mime_type="video/VP8",
            )
            for track in tracks
        ],
    )


def joined(*others: Any) -> rtc.SignalResponse:
    """The first message of a session."""
    return rtc.SignalResponse(
        join=rtc.JoinResponse(participant=info("gifcue"), other_participants=others, ping_interval=5)
    )


def reconnected() -> rtc.SignalResponse:
    """The first message of a session that is resumed."""
    return rtc.SignalResponse(reconnect=rtc.ReconnectResponse())


def updated(*participants: Any) -> rtc.SignalResponse:
    """A change of participants."""
    return rtc.SignalResponse(update=rtc.ParticipantUpdate(participants=participants))


def left(reason: str) -> rtc.SignalResponse:
    """The end of the session."""
    return rtc.SignalResponse(leave=rtc.LeaveRequest(reason=reason))
