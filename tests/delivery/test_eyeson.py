from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gifcue.delivery import Dispatcher
from tests.support.deliveries import ACCESS_KEY, cue, delivered_or_dead
from tests.support.fake_meeting_api import FakeMeetingApi

Make = Callable[..., Dispatcher]


async def test_a_playback_has_the_fields_of_the_api(make: Make, api: FakeMeetingApi) -> None:
    dispatcher = make("eyeson")
    dispatcher.submit(cue())
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


async def test_the_video_replaces_the_participant_who_reacted(make: Make, api: FakeMeetingApi) -> None:
    dispatcher = make("eyeson", room={"audio": True, "replace_participant": True})
    dispatcher.submit(cue(gif={"video_url": None, "url": "/clips/bear.webm", "media_type": "video/webm"}))
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
async def test_a_status_that_no_retry_changes_gives_up_at_once(
    make: Make, api: FakeMeetingApi, status: int, reason: str
) -> None:
    api.status = status
    dispatcher = make("eyeson")
    dispatcher.submit(cue())
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.dead, statistics.retries) == ({reason: 1}, 0)
    assert len(api.received) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gif": {"video_url": None}}, "no_video"),
        ({"room_id": "another"}, "no_room"),
        ({"room_id": ""}, "no_room"),
    ],
)
async def test_a_cue_that_it_cannot_show_is_not_sent(
    make: Make, api: FakeMeetingApi, changes: dict[str, Any], reason: str
) -> None:
    dispatcher = make("eyeson")
    dispatcher.submit(cue(**changes))
    assert (await delivered_or_dead(dispatcher)).dead == {reason: 1}
    assert api.received == []
