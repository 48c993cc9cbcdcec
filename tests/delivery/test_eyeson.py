from __future__ import annotations

from collections.abc import Callable

import pytest

from gifcue.delivery import Dispatcher
from tests.support.deliveries import ACCESS_KEY, cue, delivered_or_dead
from tests.support.fake_meeting_api import FakeMeetingApi

Make = Callable[..., Dispatcher]


async def test_a_playback_as_the_api_wants_it(make: Make, api: FakeMeetingApi) -> None:
    dispatcher = make("eyeson")
    dispatcher.hand(cue())
    assert (await delivered_or_dead(dispatcher)).delivered == 1
    (received,) = api.received
    assert received.path == f"/rooms/{ACCESS_KEY}/playbacks"
    assert received.headers["Content-Type"] == "application/json"
    assert received.values == {
        "url": "https://media.example.org/bear.mp4",
        "play_id": "reaction-1",
        "name": "A bear waves",
        "audio": False,
    }


async def test_the_video_takes_the_place_of_who_reacted(make: Make, api: FakeMeetingApi) -> None:
    dispatcher = make("eyeson", room={"audio": True, "replace_participant": True})
    dispatcher.hand(cue(video_url=None, url="/clips/bear.webm", media_type="video/webm"))
    await delivered_or_dead(dispatcher)
    assert api.received[0].values == {
        "url": "https://cues.example.org/clips/bear.webm",
        "play_id": "reaction-1",
        "name": "A bear waves",
        "audio": True,
        "replacement_id": "somebody",
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, "refused"),
        (400, "refused"),
        (404, "refused"),
        (409, "conflict"),
        (410, "meeting_over"),
        (423, "locked"),
    ],
)
async def test_what_no_retry_changes_is_dead_at_once(
    make: Make, api: FakeMeetingApi, status: int, reason: str
) -> None:
    api.status = status
    dispatcher = make("eyeson")
    dispatcher.hand(cue())
    figures = await delivered_or_dead(dispatcher)
    assert (figures.dead, figures.retries) == ({reason: 1}, 0)
    assert len(api.received) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"video_url": None}, "no_video"),
        ({"room_id": "another"}, "no_room"),
        ({"room_id": ""}, "no_room"),
    ],
)
async def test_what_it_cannot_show_is_not_tried(
    make: Make, api: FakeMeetingApi, changes: dict[str, object], reason: str
) -> None:
    dispatcher = make("eyeson")
    dispatcher.hand(cue(**changes))
    assert (await delivered_or_dead(dispatcher)).dead == {reason: 1}
    assert api.received == []
