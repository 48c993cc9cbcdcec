"""What tests of deliveries do again and again: sinks to the fake API, cues, books that add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gifcue.delivery import Cue, DeliveryStatistics, Dispatcher

# Far more than anything takes that works.
HANGS_S = 60.0
ROOM = "room-with-a-name"
ACCESS_KEY = "very-secret-key"
# From the Standard Webhooks specification's examples.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def delivery_table(
    sink: str, api_url: str, *, room: dict[str, Any] | None = None, **queue: Any
) -> dict[str, Any]:
    """The settings' table `[delivery]` with one sink, "eyeson" or "webhook"; `room` goes over the eyeson room's."""
    if sink == "eyeson":
        values: dict[str, Any] = {
            "api_url": api_url,
            "rooms": {ROOM: {"access_key": ACCESS_KEY, **(room or {})}},
        }
    else:
        values = {"url": f"{api_url}/hook", "secret": SECRET}
    return {"public_url": "https://cues.example.org", sink: {**values, "queue": queue}}


def cue(number: int = 1, **changes: Any) -> Cue:
    """A cue that every sink can take."""
    values = {
        "reaction_id": f"reaction-{number}",
        "room_id": ROOM,
        "participant_id": "somebody",
        "label": "wave",
        "score": 0.97,
        "gif_id": "bear",
        "url": "/gifs/bear.gif",
        "title": "A bear waves",
        "media_type": "image/gif",
        "video_url": "https://media.example.org/bear.mp4",
    }
    return Cue(**{**values, **changes})


def books(dispatcher: Dispatcher) -> DeliveryStatistics:
    """The only sink's figures; raises AssertionError where they do not add up."""
    (figures,) = dispatcher.statistics()
    assert figures.handed == figures.delivered + sum(figures.dead.values()) + figures.queued, figures
    return figures


async def until(condition: Callable[[], bool]) -> None:
    """Gives the loop turns until the condition holds: what comes over the network has no event here.

    Raises TimeoutError where it never does.
    """
    async with asyncio.timeout(HANGS_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def delivered_or_dead(dispatcher: Dispatcher) -> DeliveryStatistics:
    """The figures once nothing is on its way any more."""
    await until(lambda: books(dispatcher).queued == 0)
    return books(dispatcher)
