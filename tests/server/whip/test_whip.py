"""A real WebRTC sender (aiortc) reaches the server by WHIP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import aiohttp
import pytest
import pytest_asyncio

from gifcue.server.lifecycle import Server
from tests.ingest.webrtc.kit import sending
from tests.server.whip.kit import SDP, base, listening, whip_server
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with whip_server() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_smile_reaches_the_listeners_of_the_room(
    server: Server, http: aiohttp.ClientSession, codec: str
) -> None:
    endpoint = f"{base(server)}/whip/room-{codec}/ada%20l"
    async with listening(http, server, f"room-{codec}") as events, sending(codec) as sender:
        assert (await anext(events))[0] == "ready"
        async with http.post(
            endpoint, params={"labels": "smile"}, data=await sender.offer(), headers=SDP
        ) as response:
            answer = await response.text()
            assert response.status == 201, answer
            assert response.content_type == "application/sdp"
            assert response.headers["ETag"].startswith('"')
            location = response.headers["Location"]
        assert location.startswith("ada%20l/")
        location = urljoin(f"/whip/room-{codec}/ada%20l?labels=smile", location)
        await sender.take_answer(answer)
        async with asyncio.timeout(30):
            name, event = await anext(events)
        assert (name, event["phase"], event["label"]) == ("reaction", "STARTED", "smile")
        assert event["participant_id"] == "ada l"
        async with http.delete(base(server) + location.replace("room", "other")) as response:
            assert response.status == 404
        async with http.delete(base(server) + location) as response:
            assert response.status == 200
        async with asyncio.timeout(30):
            name, event = await anext(events)
        assert (name, event["phase"], event["end_reason"]) == ("reaction", "ENDED", "left")
        async with http.delete(base(server) + location) as response:
            assert response.status == 404
        # The sender notices that it is over.
        await until(lambda: sender.connection.connectionState == "closed")
    assert server.engine.statistics().sessions == 0
    await until(lambda: server.engine.statistics().frames.in_flight == 0)
    assert server.engine.statistics().frames.is_consistent


async def test_a_drain_ends_the_session(server: Server, http: aiohttp.ClientSession) -> None:
    endpoint = f"{base(server)}/whip/drained/ada?labels=smile"
    async with listening(http, server, "drained") as events, sending("VP8") as sender:
        await anext(events)
        async with http.post(endpoint, data=await sender.offer(), headers=SDP) as response:
            await sender.take_answer(await response.text())
        async with asyncio.timeout(30):
            assert (await anext(events))[1]["phase"] == "STARTED"
            server._streams.ask_to_move(1.0, 5.0)
            names = [(await anext(events))[0] for _ in range(2)]
        assert sorted(names) == ["draining", "reaction"]
        await until(lambda: sender.connection.connectionState == "closed")
        server._streams.accept()
    assert server._whip is not None
    await until(lambda: server._whip is not None and server._whip.sessions.count == 0)
    assert server._whip.sessions.ended["left"] == 1


@pytest.mark.parametrize("limit", ["max_streams", "max_participants"])
async def test_a_sender_that_comes_again_takes_its_own_place_where_all_are_taken(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "max_streams":
        admission = server._streams._admission
        monkeypatch.setattr(admission, "_settings", admission._settings.model_copy(update={limit: 1}))
    else:
        monkeypatch.setattr(server.engine, "limits", server.engine.limits.model_copy(update={limit: 1}))

    async def post(participant: str, offer: str) -> tuple[int, str, str]:
        url = f"{base(server)}/whip/{limit}/{participant}?labels=smile"
        async with http.post(url, data=offer, headers=SDP) as response:
            return response.status, await response.text(), response.headers.get("Location", "")

    def sessions() -> list[str]:
        return [each.session_id for each in server.engine._sessions.values() if each.participant_count]

    async with sending("VP8") as first, sending("VP8") as second:
        status, answer, _ = await post("ada", await first.offer())
        assert status == 201
        await first.take_answer(answer)
        await until(lambda: len(sessions()) == 1)
        before = sessions()
        offer = await second.offer()
        status, answer, _ = await post("eve", offer)
        assert status == 503
        assert "expected at most 1" in answer
        status, answer, location = await post("ada", offer)
        assert status == 201
        await second.take_answer(answer)
        await until(lambda: len(sessions()) == 1 and sessions() != before)
        async with http.delete(f"{base(server)}/whip/{limit}/{location}") as response:
            assert response.status == 200


async def test_an_offer_without_a_connection_holds_no_place(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{base(server)}/whip/full/ada?labels=smile"
    async with sending("VP8") as sender:
        offer = await sender.offer()
        async with http.post(url, data=offer, headers=SDP) as response:
            assert response.status == 201
            location = response.headers["Location"]
        admission = server._streams._admission
        full = admission._settings.model_copy(update={"max_streams": 0})
        monkeypatch.setattr(admission, "_settings", full)
        async with http.post(url, data=offer, headers=SDP) as response:
            assert response.status == 503
        async with http.delete(f"{base(server)}/whip/full/{location}") as response:
            assert response.status == 200


async def test_the_metrics_count_senders(server: Server, http: aiohttp.ClientSession) -> None:
    async with http.get(f"http://127.0.0.1:{server.operator_http_port}/metrics") as response:
        text = await response.text()
    assert "gifcue_whip_sessions 0.0" in text
    assert "gifcue_whip_listeners 0.0" in text
    assert "# TYPE gifcue_whip_dropped_total counter" in text
