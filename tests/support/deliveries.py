"""Helpers for tests of deliveries: sinks that send to the fake API, cues, and the counts of a dispatcher."""

from __future__ import annotations

from typing import Any

from gifcue.delivery import Cue, CueGif, DeliveryStatistics, Dispatcher
from tests.support.waiting import until

ROOM = "room-with-a-name"
ACCESS_KEY = "very-secret-key"
# From the Standard Webhooks specification's examples.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def delivery_table(
    sink: str, api_url: str, *, room: dict[str, Any] | None = None, **queue: Any
) -> dict[str, Any]:
    """The settings' table `[delivery]` with one sink, "eyeson" or "webhook".

    `room` holds further keys of the eyeson room, `queue` those of the sink's delivery queue.
    """
    if sink == "eyeson":
        values: dict[str, Any] = {
            "api_url": api_url,
            "rooms": {ROOM: {"access_key": ACCESS_KEY, **(room or {})}},
        }
    else:
        values = {"url": f"{api_url}/hook", "secret": SECRET}
    return {"public_url": "https://cues.example.org", sink: {**values, "queue": queue}}


def cue(number: int = 1, *, gif: dict[str, Any] | None = None, **changes: Any) -> Cue:
    """A cue that every sink can take, with changes to its fields and to those of its GIF."""
    gif_values: dict[str, Any] = {
        "id": "bear",
        "url": "/gifs/bear.gif",
        "title": "A bear waves",
        "media_type": "image/gif",
        "video_url": "https://media.example.org/bear.mp4",
    }
    values: dict[str, Any] = {
        "reaction_id": f"reaction-{number}",
        "room_id": ROOM,
        "participant_id": "somebody",
        "label": "wave",
        "score": 0.97,
        "gif": CueGif(**{**gif_values, **(gif or {})}),
    }
    return Cue(**{**values, **changes})


def counts(dispatcher: Dispatcher) -> DeliveryStatistics:
    """The counts of the only sink. Raises AssertionError if they are inconsistent."""
    (statistics,) = dispatcher.statistics()
    accounted = statistics.delivered + sum(statistics.dead.values()) + statistics.queued
    assert statistics.submitted == accounted, statistics
    return statistics


async def delivered_or_dead(dispatcher: Dispatcher) -> DeliveryStatistics:
    """The counts once no delivery is open."""
    await until(
        lambda: counts(dispatcher).queued == 0,
        expected="every delivery to end",
        state=lambda: counts(dispatcher),
    )
    return counts(dispatcher)
