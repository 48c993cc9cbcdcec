from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import web

from gifcue.client import Gif, Phase, Reaction
from gifcue.ingest.livekit import publishing as publishing_module
from gifcue.ingest.livekit.publishing import LATE_S, MAX_WAITING, TOPIC, ReactionPublisher, message_of
from gifcue.ingest.report import Notice
from gifcue.protocol.geometry import Box
from tests.ingest.livekit.kit import SECRET, tokens
from tests.support.waiting import until

GIF = Gif("smile_1", "/gifs/smile_1.gif", "Smile", "image/gif", 3)


def reaction(phase: Phase, **fields: Any) -> Reaction:
    values: dict[str, Any] = {
        "participant_id": "ada",
        "reaction_id": "r1",
        "phase": phase,
        "label": "smile",
        "progress": 1.0,
        "score": 0.98765,
        "box": Box(0, 0, 1, 1),
        "pts": 1,
        "clock_hz": 90_000,
        "sequence": 1,
        "latency_ms": 1.0,
        "model_version": "1",
        **fields,
    }
    return Reaction(**values)


@asynccontextmanager
async def api(answer: Callable[[int], web.Response]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """LiveKit's API for servers: its address, and what it was sent. `answer` gets the number of the request."""
    got: list[dict[str, Any]] = []

    async def send_data(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        assert claims["video"] == {"roomAdmin": True, "room": "meeting"}
        got.append(await request.json())
        return answer(len(got))

    app = web.Application()
    app.router.add_post("/twirp/livekit.RoomService/SendData", send_data)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}", got
    finally:
        await runner.cleanup()


@asynccontextmanager
async def publishing(url: str) -> AsyncIterator[tuple[ReactionPublisher, list[Notice]]]:
    notices: list[Notice] = []
    async with ReactionPublisher(url, "meeting", tokens(), notices.append) as publisher:
        yield publisher, notices


async def test_the_beginning_and_the_end_of_a_reaction_reach_the_room_in_order() -> None:
    async with api(lambda _: web.json_response({})) as (url, got), publishing(url) as (publisher, notices):
        publisher.put(reaction(Phase.HOLDING))
        publisher.put(reaction(Phase.STARTED, gif=GIF))
        publisher.put(reaction(Phase.ENDED, end_reason="released"))
        publisher.put(reaction(Phase.CANCELLED, end_reason="released"))
        # The end of the meeting waits for what is to be sent.
    assert publisher.sent == 2
    assert [(each["room"], each["topic"], each["kind"]) for each in got] == [
        ("meeting", TOPIC, "RELIABLE")
    ] * 2
    assert [json.loads(base64.b64decode(each["data"])) for each in got] == [
        {
            "version": 1,
            "participant": "ada",
            "reaction_id": "r1",
            "label": "smile",
            "phase": "STARTED",
            "score": 0.9877,
            "gif": {"id": "smile_1", "url": "/gifs/smile_1.gif", "title": "Smile", "media_type": "image/gif"},
        },
        {
            "version": 1,
            "participant": "ada",
            "reaction_id": "r1",
            "label": "smile",
            "phase": "ENDED",
            "end_reason": "released",
        },
    ]
    assert notices == []


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("https://gifs.example.org/", "/gifs/a.gif", "https://gifs.example.org/gifs/a.gif"),
        (
            "https://gifs.example.org",
            "https://elsewhere.example.org/a.gif",
            "https://elsewhere.example.org/a.gif",
        ),
        ("", "/gifs/a.gif", "/gifs/a.gif"),
    ],
)
def test_the_address_of_a_gif_is_absolute_where_the_server_says_how(
    base: str, url: str, expected: str
) -> None:
    gif = Gif("a", url, "A", "image/gif", 1)
    message = message_of(reaction(Phase.STARTED, gif=gif), base)
    assert message is not None
    assert message["gif"]["url"] == expected


async def test_what_livekit_does_not_take_is_counted_and_told_once() -> None:
    def answer(number: int) -> web.Response:
        if number == 3:
            return web.json_response({})
        return web.json_response({"code": "unauthenticated", "msg": "permissions denied"}, status=401)

    async with api(answer) as (url, _), publishing(url) as (publisher, notices):
        for _ in range(4):
            publisher.put(reaction(Phase.STARTED))
        await until(lambda: publisher.sent + sum(publisher.not_sent.values()) == 4)
    assert publisher.sent == 1
    assert publisher.not_sent == {"status_401": 3}
    assert [each.kind for each in notices] == [
        "refused"
    ] * 2  # once before the one that was taken, and once after it
    assert "permissions denied" in notices[0].detail


async def test_more_than_may_wait_is_counted() -> None:
    publisher = ReactionPublisher("ws://127.0.0.1:9", "meeting", tokens(), lambda notice: None)
    for _ in range(MAX_WAITING + 2):
        publisher.put(reaction(Phase.STARTED))
    assert publisher.not_sent == {"slow_livekit": 2}


async def test_what_waits_at_the_end_for_too_long_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing_module, "DRAIN_S", 0.0)
    async with publishing("ws://127.0.0.1:9") as (publisher, _):
        for _ in range(3):
            publisher.put(reaction(Phase.STARTED))
    assert publisher.sent == 0
    assert publisher.not_sent == {"ended": 3}


async def test_a_reaction_is_not_shown_late_but_one_that_was_shown_ends() -> None:
    now_s = 0.0
    async with api(lambda _: web.json_response({})) as (url, got):
        publisher = ReactionPublisher(url, "meeting", tokens(), lambda notice: None, lambda: now_s)
        publisher.put(reaction(Phase.STARTED, reaction_id="late"))
        publisher.put(reaction(Phase.ENDED, reaction_id="shown", end_reason="released"))
        now_s = LATE_S + 0.1
        publisher.put(reaction(Phase.STARTED, reaction_id="new"))
        publisher.put(reaction(Phase.ENDED, reaction_id="late", end_reason="released"))
        async with publisher:
            pass
    sent = [json.loads(base64.b64decode(each["data"])) for each in got]
    assert [(each["reaction_id"], each["phase"]) for each in sent] == [("shown", "ENDED"), ("new", "STARTED")]
    assert publisher.sent == 2
    assert publisher.not_sent == {"too_late": 2}
