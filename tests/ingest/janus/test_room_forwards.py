"""Who is forwarded, with a room whose answers the test holds back or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest

from gifcue.client import ReconnectingStream
from gifcue.ingest.janus.consent import parse_rule
from gifcue.ingest.janus.errors import JanusError, JanusRefused, JanusUnavailable
from gifcue.ingest.janus.room_forwards import RoomForwards
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import (
    Forwarded,
    ForwardTarget,
    Gone,
    Id,
    Published,
    Publisher,
    Renamed,
    VideoRoom,
    VideoStream,
)
from gifcue.ingest.report import Notice
from gifcue.ingest.rtp.shared_port import SharedPort
from gifcue.protocol.codecs import Codec
from tests.support.waiting import until

LOST = JanusUnavailable("expected Janus to answer, got nothing")
REFUSED = JanusRefused("rtp_forward", 499, "no more forwards")


class Room:
    """The forwards that Janus has, as publisher by number.

    `plan` is what becomes of the next requests for a forward, in order: None is taken, an error is raised, and with an
    event the forward is made and the answer waits for it. `silent` lets no request have an answer.
    """

    def __init__(self) -> None:
        self.active: dict[int, Id] = {}
        self.plan: list[JanusError | asyncio.Event | None] = []
        self.silent = False
        self.asked = 0
        self._made = 0

    async def forward(self, publisher: Id, video: VideoStream, target: ForwardTarget) -> Forwarded:
        await self._ask()
        step = self.plan.pop(0) if self.plan else None
        if isinstance(step, JanusError):
            raise step
        self._made += 1
        number = self._made
        self.active[number] = publisher
        if step is not None:
            await step.wait()
        return Forwarded((number,), None)

    async def stop_forward(self, publisher: Id, forward: int) -> None:
        await self._ask()
        if self.active.pop(forward, None) is None:
            raise JanusRefused("stop_rtp_forward", 428, "no such forward")

    async def forwards_to(self, host: str, port: int) -> list[tuple[Id, int]]:
        await self._ask()
        return [(publisher, number) for number, publisher in self.active.items()]

    async def _ask(self) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()


class Kit:
    def __init__(self, port: SharedPort, **settings: Any) -> None:
        self.notices: list[Notice] = []
        self._room = Room()
        values: dict[str, Any] = {"copies": 1, **settings}
        rules = [parse_rule("display=* (yes)"), parse_rule("metadata.gifs")]
        self.forwards = RoomForwards(
            JanusSettings("ws://127.0.0.1", "1", rules, **values),
            cast(ReconnectingStream, None),  # joined with the first picture, and none comes
            ("smile", "wave"),
            port,
            self.notices.append,
            lambda error: pytest.fail(str(error)),
        )

    @property
    def janus(self) -> Room:
        return self._room

    @property
    def room(self) -> VideoRoom:
        return cast(VideoRoom, self._room)

    @property
    def labels(self) -> dict[Id, tuple[str, ...]]:
        """Of who is forwarded."""
        return {number: each.labels for number, each in self.forwards._forwards.items()}

    def told(self, kind: str) -> list[str]:
        return [each.publisher for each in self.notices if each.kind == kind]


@pytest.fixture
async def port() -> AsyncIterator[SharedPort]:
    async with SharedPort("127.0.0.1", 0) as opened:
        yield opened


def publisher(number: int, display: str | None = "ada (yes)", gifs: Iterable[str] = ()) -> Publisher:
    video = VideoStream("0", Codec.VP8, "vp8", None, False)
    return Publisher(number, display, {"gifs": list(gifs)}, [video])


async def test_withdrawn_consent_counts_before_janus_answers_anything(port: SharedPort) -> None:
    kit = Kit(port)
    await kit.forwards.take_over(
        kit.room, [publisher(1), publisher(2), publisher(3, "eve", ["smile", "wave"]), publisher(4)]
    )
    assert set(kit.labels) == {1, 2, 3, 4}
    kit.janus.silent, kit.janus.asked = True, 0
    taking_over = asyncio.create_task(
        kit.forwards.take_over(
            kit.room, [publisher(1), publisher(2, "bob"), publisher(3, "eve", ["wave"]), publisher(4, None)]
        )
    )
    await until(lambda: kit.janus.asked)
    assert kit.labels == {1: ("smile", "wave"), 3: ("wave",)}
    assert sorted(kit.told("stopped")) == ["2", "4"]
    taking_over.cancel()
    await asyncio.wait({taking_over})
    # The next session ends in Janus what has no place here.
    kit.janus.silent = False
    await kit.forwards.take_over(kit.room, [publisher(1), publisher(2, "bob")])
    assert list(kit.janus.active.values()) == [1]
    await kit.forwards.close()


@pytest.mark.parametrize(
    "event",
    [Renamed(1, "ada"), Gone(1), Published(publisher(1, "ada"))],
    ids=["renamed", "gone", "published"],
)
async def test_a_place_that_becomes_free_is_given_on(
    port: SharedPort, event: Renamed | Gone | Published
) -> None:
    kit = Kit(port, max_publishers=1)
    await kit.forwards.take_over(kit.room, [publisher(1), publisher(2)])
    assert kit.told("refused") == ["2"]
    if isinstance(event, Gone):
        kit.janus.active.clear()  # Janus ends the forwards of who is gone
    await kit.forwards.on_event(kit.room, event)
    assert set(kit.labels) == {2}
    assert list(kit.janus.active.values()) == [2]
    await kit.forwards.close()


async def test_where_a_second_copy_is_refused_the_first_one_ends_in_janus(port: SharedPort) -> None:
    kit = Kit(port, copies=2)
    kit.janus.plan = [None, REFUSED]
    await kit.forwards.on_event(kit.room, Published(publisher(1)))
    assert kit.told("refused") == ["1"]
    assert kit.labels == {}
    assert kit.janus.active == {}


async def test_a_session_that_is_lost_between_two_copies_forgets_no_forward(port: SharedPort) -> None:
    kit = Kit(port, copies=2)
    await kit.forwards.take_over(kit.room, [publisher(1)])
    kit.janus.plan = [None, LOST]
    with pytest.raises(JanusUnavailable):
        await kit.forwards.take_over(kit.room, [publisher(1)])
    (forward,) = kit.forwards._forwards.values()
    assert forward.forwards == set(kit.janus.active) == {1, 2, 3}
    await forward.open(kit.room)
    assert forward.forwards == set(kit.janus.active) == {4, 5}
    await kit.forwards.close()


async def test_a_forward_whose_number_janus_had_not_told_ends_with_the_others(port: SharedPort) -> None:
    kit = Kit(port)
    await kit.forwards.take_over(kit.room, [publisher(1)])
    kit.janus.plan = [asyncio.Event()]
    opening = asyncio.create_task(kit.forwards.on_event(kit.room, Published(publisher(2))))
    await until(lambda: len(kit.janus.active) == 2)
    opening.cancel()
    await asyncio.wait({opening})
    await kit.forwards.stop(kit.room)
    assert kit.janus.active == {}
    await kit.forwards.close()
