"""Against a real Janus, with aiortc as publishers and a gifcue server without video."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gifcue.client import Backoff, ReactionClient
from gifcue.ingest.janus.consent import parse_rule
from gifcue.ingest.janus.errors import JanusRefused, JanusUnavailable
from gifcue.ingest.janus.ingest import JanusIngest
from gifcue.ingest.janus.session import JanusAccess, JanusSession
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import PLUGIN, RoomAccess
from gifcue.ingest.report import Notice
from gifcue.testing import FakeServer
from gifcue.testing.fake_stream import FakeStream
from gifcue.v1 import media_pb2
from tests.ingest.janus.kit import (
    ADMIN_KEY,
    API_SECRET,
    LOCKED_ROOM,
    PIN,
    ROOM,
    ROOM_SECRET,
    AiortcPublisher,
    RealJanus,
    TcpRelay,
    running_janus,
)
from tests.support.waiting import until

QUICK = Backoff(first_s=0.05, max_s=0.2)


class Following:
    """A running `JanusIngest`, what it told, and what the server saw."""

    def __init__(self, ingest: JanusIngest, seen: FakeStream, notices: list[Notice]) -> None:
        self.ingest = ingest
        self.seen = seen
        self.notices = notices

    def told(self, kind: str) -> list[Notice]:
        return [each for each in self.notices if each.kind == kind]

    def frames_of(self, publisher: AiortcPublisher) -> int:
        return sum(frame.participant_id == str(publisher.id) for frame in self.seen.frames)

    def has_left(self, publisher: AiortcPublisher) -> bool:
        """True once the server received the publisher's leave."""
        return any(
            each.participant.participant_id == str(publisher.id) and each.participant.HasField("leave")
            for each in self.seen.requests
        )

    async def until_frames(self, publisher: AiortcPublisher, count: int = 3) -> None:
        before = self.frames_of(publisher)
        await until(
            lambda: self.frames_of(publisher) >= before + count,
            expected=f"{count} frames of {publisher.id}",
            state=lambda: (self.notices, self.ingest.totals, self.ingest.dropped),
        )


@contextlib.asynccontextmanager
async def following(
    janus: RealJanus, rule: str = "display=* (yes)", **settings: Any
) -> AsyncIterator[Following]:
    notices: list[Notice] = []
    values = {"room": str(ROOM), "backoff": QUICK, "copies": 1, **settings}
    async with (
        FakeServer() as server,
        ReactionClient(server.target) as client,
        client.reconnecting() as stream,
    ):
        ingest = JanusIngest(
            JanusSettings(janus.url, rules=[parse_rule(rule)], **values),
            stream,
            ("smile", "wave"),
            notices.append,
        )
        running = asyncio.create_task(ingest.run())
        try:
            await until(lambda: running.done() or any(each.kind == "joined" for each in notices))
            if running.done():
                running.result()
            yield Following(ingest, await server.service.stream(0), notices)
        finally:
            running.cancel()
            await asyncio.wait({running})


async def forwards(janus: RealJanus) -> list[Any]:
    """The forwards that Janus knows in `ROOM`."""
    async with JanusSession(janus.url, PLUGIN) as session:
        data = await session.ask({"request": "listforwarders", "room": ROOM}, "listforwarders")
        listed: Any = data["publishers"]
        return [forward for each in listed for forward in each["forwarders"]]


@pytest.mark.parametrize(("codec", "wire"), [("VP8", media_pb2.CODEC_VP8), ("H264", media_pb2.CODEC_H264)])
async def test_who_consents_is_forwarded_and_nobody_else(janus: RealJanus, codec: str, wire: int) -> None:
    async with (
        AiortcPublisher(janus, "bob"),
        following(janus) as follow,
        AiortcPublisher(janus, "ada (yes)", codec=codec) as ada,
    ):
        await follow.until_frames(ada)
        assert set(follow.seen.joins) == {str(ada.id)}
        assert follow.seen.joins[str(ada.id)].codec == wire
        assert list(follow.seen.joins[str(ada.id)].allowed_labels) == ["smile", "wave"]
        assert len(await forwards(janus)) == 1
        assert {frame.participant_id for frame in follow.seen.frames} == {str(ada.id)}
        # The first picture is whole: Janus handed the request for a keyframe on.
        await until(lambda: any(frame.keyframe for frame in follow.seen.frames))


async def test_a_publisher_that_was_there_before_is_forwarded(janus: RealJanus) -> None:
    async with AiortcPublisher(janus, "ada (yes)") as ada, following(janus) as follow:
        await follow.until_frames(ada)


async def test_consent_can_be_given_and_withdrawn(janus: RealJanus) -> None:
    async with following(janus) as follow, AiortcPublisher(janus, "ada") as ada:
        await ada.rename("ada (yes)")
        await follow.until_frames(ada)
        await ada.rename("ada")
        await until(lambda: follow.told("stopped"))
        assert await forwards(janus) == []
        await follow.seen.until(
            lambda seen: any(each.participant.HasField("leave") for each in seen.requests)
        )
        await ada.rename("ada (yes)")
        await follow.until_frames(ada)


async def test_a_publisher_that_leaves_and_returns_is_forwarded_again(janus: RealJanus) -> None:
    async with following(janus) as follow:
        async with AiortcPublisher(janus, "ada (yes)", number=7) as ada:
            await follow.until_frames(ada)
            await ada.unpublish()
            await until(lambda: len(follow.told("stopped")) == 1)
            await ada.publish()
            await follow.until_frames(ada)
        await until(lambda: len(follow.told("stopped")) == 2)
        async with AiortcPublisher(janus, "ada (yes)", number=7) as ada:
            await follow.until_frames(ada)
        totals = follow.ingest.totals["7"]
        assert totals.sent + totals.not_sent == totals.frames


async def test_the_number_of_publishers_is_bounded_and_a_free_place_is_taken(janus: RealJanus) -> None:
    async with following(janus, max_publishers=1) as follow, AiortcPublisher(janus, "second (yes)") as second:
        await follow.until_frames(second)
        async with AiortcPublisher(janus, "first (yes)") as first:
            await until(lambda: follow.told("refused"))
            assert "--max-publishers" in follow.told("refused")[0].detail
            assert follow.frames_of(first) == 0
            await second.unpublish()
            await follow.until_frames(first)


async def test_forwards_end_with_the_command_and_leftovers_are_removed(janus: RealJanus) -> None:
    async with AiortcPublisher(janus, "ada (yes)") as ada:
        async with following(janus) as follow:
            await follow.until_frames(ada)
            assert len(await forwards(janus)) == 1
            port = follow.ingest.port
        assert await forwards(janus) == []
        # As an instance does that is killed:
        async with JanusSession(janus.url, PLUGIN) as session:
            stream = {"mid": "0", "port": port}
            body = {"request": "rtp_forward", "room": ROOM, "publisher_id": ada.id, "host": "127.0.0.1"}
            await session.ask({**body, "streams": [stream]}, "rtp_forward")
        (left,) = await forwards(janus)
        async with following(janus, listen=("127.0.0.1", port)) as follow:
            await follow.until_frames(ada)
            (forward,) = await forwards(janus)
            assert forward["stream_id"] != left["stream_id"]


async def test_a_second_copy_is_the_same_video(janus: RealJanus) -> None:
    async with following(janus, copies=2) as follow, AiortcPublisher(janus, "ada (yes)") as ada:
        await follow.until_frames(ada, 10)
        assert len(await forwards(janus)) == 2
        totals = follow.ingest.totals[str(ada.id)]
        assert totals.dropped["duplicate"] > 0
        assert set(totals.dropped) == {"duplicate"}
        numbers = [frame.sequence for frame in follow.seen.frames]
        assert all(after == before + 1 for before, after in itertools.pairwise(numbers))


async def test_a_lost_session_costs_no_frame(janus: RealJanus) -> None:
    async with (
        TcpRelay(janus.url) as relay,
        following(replace(janus, url=relay.url)) as follow,
        AiortcPublisher(janus, "ada (yes)") as ada,
    ):
        await follow.until_frames(ada)
        relay.cut()
        await until(lambda: len(follow.told("joined")) == 2)
        await follow.until_frames(ada, 5)
        assert not follow.told("stopped")
        assert len(await forwards(janus)) == 1
        numbers = [frame.sequence for frame in follow.seen.frames]
        assert all(after == before + 1 for before, after in itertools.pairwise(numbers))


async def test_consent_that_is_withdrawn_while_janus_is_away_ends_the_forward(janus: RealJanus) -> None:
    async with (
        TcpRelay(janus.url) as relay,
        following(replace(janus, url=relay.url)) as follow,
        AiortcPublisher(janus, "ada (yes)") as ada,
    ):
        await follow.until_frames(ada)
        relay.takes_new = False
        relay.cut()
        await until(lambda: follow.told("disconnected"))
        await ada.rename("ada")
        relay.takes_new = True
        await until(lambda: follow.told("stopped"))
        await until(lambda: len(follow.told("joined")) == 2)
        assert len(follow.told("forwarded")) == 1
        async with AiortcPublisher(janus, "bob (yes)") as bob:
            await follow.until_frames(bob)
        await until(lambda: len(follow.told("stopped")) == 2)
        assert await forwards(janus) == []


async def test_without_janus_consent_is_taken_as_given_for_a_time_only(janus: RealJanus) -> None:
    async with (
        TcpRelay(janus.url) as relay,
        following(replace(janus, url=relay.url), consent_s=0.2) as follow,
        AiortcPublisher(janus, "ada (yes)") as ada,
    ):
        await follow.until_frames(ada)
        relay.takes_new = False
        relay.cut()
        await until(lambda: follow.told("stopped"))
        # Frames sent before the leave may still be on their way to the server.
        await until(lambda: follow.has_left(ada))
        frames = follow.frames_of(ada)
        before = follow.ingest.dropped.get("unknown_source", 0)
        await until(lambda: follow.ingest.dropped.get("unknown_source", 0) > before)
        assert follow.frames_of(ada) == frames
        relay.takes_new = True
        await follow.until_frames(ada)


async def test_after_a_crash_of_janus_the_room_is_followed_again(janus: RealJanus) -> None:
    async with following(janus) as follow:
        async with AiortcPublisher(janus, "ada (yes)") as ada:
            await follow.until_frames(ada)
            await janus.restart()
            await until(lambda: len(follow.told("joined")) == 2)
            assert follow.told("disconnected")
            await until(lambda: len(follow.told("stopped")) == 1)
        async with AiortcPublisher(janus, "ada (yes)") as ada:
            await follow.until_frames(ada)


async def test_a_room_with_secrets_wants_them_and_they_are_not_told(tmp_path: Path) -> None:
    async with running_janus(tmp_path, api_secret=API_SECRET) as janus:
        with pytest.raises(JanusRefused, match="403"):
            async with following(janus):
                pass
        access: dict[str, Any] = {"room": str(LOCKED_ROOM), "janus_access": JanusAccess(API_SECRET)}
        with pytest.raises(JanusRefused, match="expected Janus to accept joining the room 5678") as refused:
            async with following(janus, **access):
                pass
        assert PIN not in str(refused.value)
        room_access = RoomAccess(PIN, ROOM_SECRET, ADMIN_KEY)
        async with following(janus, room_access=room_access, **access) as follow:
            shown = json.dumps([str(each) for each in (room_access, access, follow.notices)])
            assert not any(secret in shown for secret in (PIN, ROOM_SECRET, ADMIN_KEY, API_SECRET))


async def test_an_unknown_room_and_a_silent_address_are_named(janus: RealJanus) -> None:
    with pytest.raises(JanusRefused, match=r"joining the room 99, got error 426: No such room \(99\)"):
        async with following(janus, room="99"):
            pass
    nowhere = replace(janus, url="ws://127.0.0.1:9")
    with pytest.raises(JanusUnavailable, match="expected Janus at ws://127"):
        async with following(nowhere):
            pass


async def test_a_number_is_tried_as_a_text_where_janus_names_rooms_by_text(tmp_path: Path) -> None:
    async with (
        running_janus(tmp_path, string_ids=True) as janus,
        following(janus) as follow,
        AiortcPublisher(janus, "ada (yes)", str(ROOM), number="ada") as ada,
    ):
        await follow.until_frames(ada)
        assert set(follow.seen.joins) == {"ada"}


async def test_locked_forwards_want_the_admin_key(tmp_path: Path) -> None:
    async with (
        running_janus(tmp_path, lock_forwards=True) as janus,
        AiortcPublisher(janus, "ada (yes)") as ada,
    ):
        async with following(janus) as follow:
            await until(lambda: follow.told("refused"))
            assert "rtp_forward of publisher" in follow.told("refused")[0].detail
        async with following(janus, room_access=RoomAccess(admin_key=ADMIN_KEY)) as follow:
            await follow.until_frames(ada)
