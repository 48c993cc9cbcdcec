from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from gifcue.delivery import Dispatcher
from gifcue.delivery.settings import secret_bytes
from gifcue.delivery.webhook import sign
from tests.support.deliveries import ROOM, SECRET, cue, delivered_or_dead
from tests.support.fake_meeting_api import FakeMeetingApi

Make = Callable[..., Dispatcher]


def test_signatures_are_those_of_standard_webhooks() -> None:
    signature = sign(
        secret_bytes(SecretStr(SECRET)),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_request_is_signed_and_complete(make: Make, api: FakeMeetingApi) -> None:
    dispatcher = make("webhook")
    dispatcher.submit(cue(gif={"title": "Ein Bär winkt"}))
    assert (await delivered_or_dead(dispatcher)).delivered == 1
    (received,) = api.received
    key = secret_bytes(SecretStr(SECRET))
    assert received.headers["webhook-id"] == "reaction-1"
    # The same on every server to which the stream moves, and in the body, which is signed.
    assert received.headers["idempotency-key"] == "reaction-1:started"
    assert received.headers["webhook-timestamp"] == "1700000000"
    assert received.headers["webhook-signature"] == sign(key, "reaction-1", 1_700_000_000, received.body)
    assert received.values == {
        "type": "reaction.started",
        "idempotency_key": "reaction-1:started",
        "reaction_id": "reaction-1",
        "room_id": ROOM,
        "participant_id": "somebody",
        "label": "wave",
        "score": 0.97,
        "gif": {
            "id": "bear",
            "url": "https://cues.example.org/gifs/bear.gif",
            "title": "Ein Bär winkt",
            "media_type": "image/gif",
            "video_url": "https://media.example.org/bear.mp4",
        },
    }


@pytest.mark.parametrize("status", [302, 400, 404, 410])
async def test_a_status_that_no_retry_changes_gives_up_at_once(
    make: Make, api: FakeMeetingApi, status: int
) -> None:
    api.status = status
    dispatcher = make("webhook")
    dispatcher.submit(cue())
    assert (await delivered_or_dead(dispatcher)).dead == {"refused": 1}
