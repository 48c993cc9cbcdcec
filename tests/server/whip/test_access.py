"""Who may send by WHIP, and what becomes of everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
import pytest_asyncio

from gifcue.access.files import add_entry
from gifcue.access.grants import Scope
from gifcue.access.issue import KeyPair, issue_token, new_key
from gifcue.errors import ConfigError
from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from gifcue.server.whip import handler, sessions
from tests.server.whip.kit import SDP, base, whip_server
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFER = (Path(__file__).parents[2] / "ingest/webrtc/chromium-offer.sdp").read_bytes()
PAGE = "https://meet.example.org"


@dataclass
class Guarded:
    """A server that asks for tokens, and what signs them."""

    server: Server
    key: KeyPair
    http: aiohttp.ClientSession

    def token(self, **changes: Any) -> str:
        """A sound token for the room `weekly`, but for the changes."""
        made = {
            "key_name": "one",
            "scopes": [Scope.STREAM],
            "now_s": time.time(),
            "lifetime_s": 3600.0,
            "rooms": ["weekly"],
            "labels": ["smile", "wave"],
            # Without one, two tokens are two callers.
            "subject": "ada",
            **changes,
        }
        return issue_token(self.key.signing, **made)

    async def post(
        self, path: str = "weekly/ada", *, token: str | None = "sound", body: bytes = OFFER, **headers: str
    ) -> aiohttp.ClientResponse:
        """The answer to an offer; its body is read."""
        sent = {**SDP, "Origin": PAGE, **headers}
        if token is not None:
            sent["Authorization"] = f"Bearer {self.token() if token == 'sound' else token}"
        async with self.http.post(f"{base(self.server)}/whip/{path}", data=body, headers=sent) as answer:
            await answer.read()
            return answer

    async def delete(self, location: str, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        async with self.http.delete(self.session(location), headers=headers) as answer:
            return answer.status

    def session(self, location: str) -> str:
        """The address that the `Location` of an offer for the room `weekly` gives."""
        return urljoin(f"{base(self.server)}/whip/weekly/anybody?labels=smile", location)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    keys, key = tmp_path_factory.mktemp("keys") / "keys.toml", new_key("one", "EdDSA")
    add_entry(keys, key.entry)
    tables = {"access": {"keys": keys, "max_streams": 2}, "server": {"allowed_origins": [PAGE]}}
    async with whip_server({"max_sessions": 2}, **tables) as server, aiohttp.ClientSession() as http:
        yield Guarded(server, key, http)


async def text_of(answer: aiohttp.ClientResponse) -> str:
    return str((await answer.json())["error"])


async def test_an_offer_is_answered(guarded: Guarded) -> None:
    answer = await guarded.post()
    assert answer.status == 201
    assert answer.content_type == "application/sdp"
    text = await answer.text()
    assert "a=ice-lite" in text
    assert f" 127.0.0.1 {guarded.server.whip_port} typ host" in text
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]
    assert await guarded.delete(answer.headers["Location"]) == 200


@pytest.mark.parametrize(
    ("path", "change", "status", "expected"),
    [
        ("weekly/ada", {"token": None}, 401, "expected a token"),
        ("weekly/ada", {"token": "nonsense"}, 401, "expected"),
        ("daily/ada", {}, 403, "expected a room that the token grants"),
        ("weekly/ada?labels=smile,thumbs_up", {}, 400, "labels: expected some of smile, wave, got 'thumbs_up'"),
        ("weekly/ada?labels=,", {}, 400, "expected the labels"),
        ("weekly/" + "a" * 129, {}, 400, "participant: expected 1 to 128 bytes, got 129"),
        ("weekly/ada", {"body": b"v=0\r\n"}, 400, "expected an offer with an m= section"),
        ("weekly/ada", {"body": b""}, 400, "expected an offer that begins with v=0"),
        ("weekly/ada", {"body": b"\xff\xfe"}, 400, "expected an offer in UTF-8"),
        ("weekly/ada", {"body": OFFER.replace(b"m=video", b"m=text")}, 400, "expected video that the peer sends"),
        ("weekly/ada", {"body": OFFER.replace(b"a=sendonly", b"a=recvonly")}, 400, "expected video that the peer"),
        ("weekly/ada", {"body": b"v=0\r\n" + b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 9}, 400, "at most 8 m="),
        ("weekly/ada", {"body": OFFER + b"a" * 65_536}, 413, "expected at most 65536 bytes"),
        ("weekly/ada", {"Content-Type": "application/json"}, 415, "expected application/sdp"),
        ("weekly/ada", {"Content-Encoding": "gzip"}, 415, "expected a body without Content-Encoding"),
    ],
)  # fmt: skip
async def test_is_refused_with_a_reason(
    guarded: Guarded, path: str, change: dict[str, Any], status: int, expected: str
) -> None:
    assert guarded.server._whip is not None
    refused = guarded.server._whip._handler.refused
    before = refused.get(str(status), 0)
    answer = await guarded.post(path, **change)
    assert answer.status == status
    # Tokens, scopes and rooms are counted with those of all calls.
    assert refused.get(str(status), 0) == before + (status not in (401, 403))
    assert expected in await text_of(answer)
    # A page of another site can read why.
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_tokens_of_other_scopes_do_not_send(guarded: Guarded) -> None:
    answer = await guarded.post(token=guarded.token(scopes=[Scope.ANNOTATE]))
    assert answer.status == 403
    assert guarded.server.access.control.refused["wrong_scope"] >= 1


async def test_a_page_of_a_site_that_may_not_call_is_refused(guarded: Guarded) -> None:
    answer = await guarded.post(Origin="https://evil.example.net")
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_browsers_may_ask_before(guarded: Guarded) -> None:
    for path, method in (("weekly/ada", "POST"), ("weekly/ada/x", "DELETE"), ("weekly", "GET")):
        async with guarded.http.options(
            f"{base(guarded.server)}/whip/{path}",
            headers={"Origin": PAGE, "Access-Control-Request-Method": method},
        ) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert method in answer.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers.get("Accept-Post") == ("application/sdp" if method == "POST" else None)


async def test_candidates_that_are_told_later_are_not_needed(guarded: Guarded) -> None:
    location = (await guarded.post()).headers["Location"]
    async with guarded.http.patch(guarded.session(location)) as answer:
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(",")) == {"DELETE", "OPTIONS"}
    assert await guarded.delete(location) == 200


async def test_one_too_many_comes_back_later(guarded: Guarded) -> None:
    locations = [(await guarded.post(f"weekly/{name}")).headers["Location"] for name in ("ada", "bob")]
    answer = await guarded.post("weekly/eve")
    assert answer.status == 429
    assert "access.max_streams" in await text_of(answer)
    answer = await guarded.post("weekly/eve", token=guarded.token(subject="eve"))
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert "at most 2 WHIP sessions" in await text_of(answer)
    # A sender that comes again takes its own place, though no other is free.
    again = await guarded.post("weekly/bob")
    assert again.status == 201
    assert await guarded.delete(locations[1]) == 404
    locations[1] = again.headers["Location"]
    for each in locations:
        assert await guarded.delete(each) == 200
    answer = await guarded.post("weekly/eve")
    assert answer.status == 201
    assert await guarded.delete(answer.headers["Location"]) == 200


async def test_a_sender_that_comes_again_replaces_itself_and_nobody_else(guarded: Guarded) -> None:
    first = (await guarded.post()).headers["Location"]
    stranger = guarded.token(subject="stranger")
    assert (await guarded.post(token=stranger)).status == 409
    assert await guarded.delete(first, stranger) == 404
    second = (await guarded.post()).headers["Location"]
    assert await guarded.delete(first) == 404
    assert await guarded.delete(second) == 200
    assert guarded.server._whip is not None
    assert guarded.server._whip.sessions.count == 0
    assert guarded.server.engine.statistics().sessions == 0


async def test_offers_for_one_participant_at_once_make_one_session(guarded: Guarded) -> None:
    answers = await asyncio.gather(*(guarded.post() for _ in range(6)))
    taken = [each.headers["Location"] for each in answers if each.status == 201]
    assert {each.status for each in answers} <= {201, 409}
    assert guarded.server._whip is not None
    assert guarded.server._whip.sessions.count == 1
    assert [await guarded.delete(each) for each in taken] == [404] * (len(taken) - 1) + [200]


async def test_who_never_connects_is_dropped(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LIMITS", replace(sessions.LIMITS, connect_s=0.05))
    whip = guarded.server._whip
    assert whip is not None
    before = whip.sessions.ended["not_connected"]
    location = (await guarded.post()).headers["Location"]
    await until(lambda: whip.sessions.ended["not_connected"] == before + 1)
    assert await guarded.delete(location) == 404
    assert whip.sessions.count == 0


async def test_listeners_need_a_token_for_the_room(guarded: Guarded) -> None:
    for room, token, status in (
        ("weekly", guarded.token(), 200),
        ("daily", guarded.token(), 403),
        ("weekly", "no", 401),
    ):
        async with guarded.http.get(
            f"{base(guarded.server)}/whip/{room}", headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            assert answer.status == status


async def test_one_caller_does_not_take_the_places_of_all_listeners(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MAX_LISTENERS_PER_CALLER", 1)
    url = f"{base(guarded.server)}/whip/weekly"

    def listen(subject: str) -> Any:
        token = guarded.token(subject=subject)
        return guarded.http.get(url, headers={"Authorization": f"Bearer {token}"})

    async with listen("greedy") as first:
        assert first.status == 200
        async with listen("greedy") as second, listen("other") as other:
            assert (second.status, second.headers["Retry-After"]) == (429, "2")
            assert "at most 1 listeners of one caller" in await text_of(second)
            assert other.status == 200


async def test_a_server_that_drains_sends_senders_elsewhere(guarded: Guarded) -> None:
    guarded.server._streams.ask_to_move(1.0, 1.0)
    try:
        answer = await guarded.post()
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        assert "drains" in await text_of(answer)
    finally:
        guarded.server._streams.accept()


async def test_labels_come_from_the_address_where_no_token_names_them() -> None:
    async with whip_server() as server, aiohttp.ClientSession() as http:
        for query, status in (("", 400), ("?labels=smile", 201)):
            async with http.post(f"{base(server)}/whip/r/p{query}", data=OFFER, headers=SDP) as answer:
                assert answer.status == status, await answer.text()


async def test_there_is_no_whip_unless_it_is_configured() -> None:
    async with whip_server({"listen": ""}) as server, aiohttp.ClientSession() as http:
        async with http.post(f"{base(server)}/whip/r/p?labels=smile", data=OFFER, headers=SDP) as answer:
            assert answer.status == 404
        assert server.whip_port == 0


async def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"whip\.listen: expected server\.http_listen as well"):
        Server(load_settings(None, {"server": {"http_listen": ""}, "whip": {"listen": "127.0.0.1:0"}}))
    with pytest.raises(ConfigError, match=r"whip\.listen: expected an IP address"):
        async with whip_server({"listen": "nowhere:0"}):
            pass
