"""A real livekit-server, Chromium with the photograph as its camera under three names, and a real gifcue server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gifcue.cli.demo_server import running_server
from gifcue.client import Phase, Reaction, ReactionClient, ReconnectingStream, StreamOptions
from gifcue.ingest.livekit.consent import parse_rule
from gifcue.ingest.livekit.ingest import LiveKitIngest
from gifcue.ingest.livekit.publishing import TOPIC, ReactionPublisher
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.report import Notice
from tests.ingest.janus.chromium import camera_file
from tests.ingest.janus.kit import TcpRelay
from tests.ingest.livekit.chromium import Publishers, chromium_publishers
from tests.ingest.livekit.kit import ROOM, RealLiveKit, running_livekit, tokens
from tests.support.waiting import until

SIZE, FPS = (640, 360), 15
CONSENT = {"reactions": "yes"}
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"attributes": CONSENT, "simulcast": True},
    "bob": {"attributes": CONSENT, "codec": "h264"},
    "eve": {},
}
heavy = pytest.mark.skipif(
    os.environ.get("GIFCUE_PEERS") != "1", reason="takes half a minute: make test-peers runs it"
)


@dataclass(slots=True)
class Meeting:
    """Everything that runs, and what was seen."""

    livekit: RealLiveKit
    page: Publishers
    ingest: LiveKitIngest
    stream: ReconnectingStream
    running: asyncio.Task[None]
    publisher: ReactionPublisher
    signalling: TcpRelay  # between the adapter and LiveKit
    reactions: list[Reaction] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def steps(self, name: str) -> list[str]:
        """What became of a participant's smile: its beginnings and ends."""
        return [
            each.phase.name
            for each in self.reactions
            if each.participant_id == name and each.phase in (Phase.STARTED, Phase.ENDED)
        ]

    def told(self, kind: str, name: str = "") -> int:
        return sum(each.kind == kind and each.publisher == name for each in self.notices)

    def frames(self, name: str) -> int:
        """Frames sent to gifcue."""
        return self.ingest.totals[name].sent if name in self.ingest.totals else 0

    async def until(self, condition: Callable[[], object], expected: str) -> None:
        def checked() -> object:
            if self.running.done():
                self.running.result()
            assert not self.page.last.get("error"), self.page.last
            return condition()

        await until(
            checked,
            expected=expected,
            state=lambda: (
                self.notices,
                [(each.participant_id, each.phase.name, each.end_reason) for each in self.reactions],
                self.ingest.totals,
                self.page.last,
            ),
        )

    async def until_more_frames(self, name: str, count: int = FPS) -> None:
        before = self.frames(name)
        await self.until(lambda: self.frames(name) >= before + count, f"{count} more frames of {name}")


@contextlib.asynccontextmanager
async def meeting(folder: Path, *, ice_lite: bool = False, **settings: Any) -> AsyncIterator[Meeting]:
    """Everything, with nobody in the room yet."""
    camera = camera_file(folder, SIZE, FPS)
    async with contextlib.AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(running_livekit(folder, ice_lite=ice_lite))
        server = await stack.enter_async_context(running_server(folder))
        client = await stack.enter_async_context(ReactionClient(server.target))
        stream = await stack.enter_async_context(client.reconnecting(StreamOptions(room_id=ROOM)))
        notices: list[Notice] = []
        publisher = await stack.enter_async_context(
            ReactionPublisher(livekit.url, ROOM, tokens(), notices.append)
        )
        signalling = await stack.enter_async_context(TcpRelay(livekit.url))
        ingest = LiveKitIngest(
            LiveKitSettings(signalling.url, ROOM, [parse_rule("attributes.reactions=yes")], **settings),
            tokens(),
            stream,
            ("smile",),
            notices.append,
        )
        page = await stack.enter_async_context(
            chromium_publishers(livekit.url, camera, PEOPLE, size=SIZE, fps=FPS)
        )
        running = asyncio.create_task(ingest.run())
        all_of_it = Meeting(livekit, page, ingest, stream, running, publisher, signalling, notices=notices)

        async def watch() -> None:
            async for event in stream.events():
                publisher.put(event)
                if isinstance(event, Reaction):
                    all_of_it.reactions.append(event)

        watching = asyncio.create_task(watch())
        try:
            await all_of_it.until(lambda: all_of_it.told("joined"), "to be in the room")
            yield all_of_it
        finally:
            running.cancel()
            await asyncio.wait({running})
            await stream.half_close()
            await watching


async def names_of(stream: ReconnectingStream) -> set[str]:
    """The participants of which the gifcue server has received anything."""
    statistics = await stream.statistics()
    return {each.participant_id for each in statistics.participants if each.frames.received}


async def test_of_three_publishers_the_two_who_consent_react_and_nothing_comes_of_the_third(
    tmp_path: Path,
) -> None:
    async with meeting(tmp_path) as room:
        page = room.page
        for name in PEOPLE:
            await page.call("publish", name)
        await room.until(lambda: room.steps("ada") and room.steps("bob"), "two smiles")
        await room.until(lambda: page.frames("eve"), "video of the third")
        assert set(room.ingest.totals) == {"ada", "bob"}
        assert await names_of(room.stream) == {"ada", "bob"}
        assert "unknown_source" not in room.ingest.dropped
        await room.until(
            lambda: {each["message"]["participant"] for each in page.received} == {"ada", "bob"}, "messages"
        )
        for each in page.received:
            assert each["topic"] == TOPIC
            assert (each["message"]["label"], each["message"]["phase"]) == ("smile", "STARTED")

        # A layer switch: the publisher's upper layer ends, and comes back.
        await page.call("layers", "ada", 0)
        await room.until(lambda: page.widths("ada") == [SIZE[0] // 2], "one layer")
        await room.until_more_frames("ada")
        await page.call("layers", "ada", 1)
        await room.until_more_frames("ada")
        assert room.steps("ada") == ["STARTED"]

        # The publisher connects again: another session, another track.
        await page.call("scenario", "ada", "full-reconnect")
        await room.until(lambda: room.told("subscribed", "ada") == 2, "the track that is published again")
        await room.until_more_frames("ada")
        assert room.told("stopped", "ada") == 0
        await room.until(lambda: room.steps("ada")[-1] == "STARTED", "a smile after the reconnect")
        assert room.steps("bob") == ["STARTED"]
        assert "eve" not in room.ingest.totals

        # With consent the third is seen, and without it no longer.
        await page.call("attributes", "eve", CONSENT)
        await room.until(lambda: room.steps("eve"), "a third smile")
        await page.call("attributes", "eve", {"reactions": ""})
        await room.until(lambda: room.told("stopped", "eve"), "the end of the third's video")
        frames = room.frames("eve")
        await room.until_more_frames("bob")
        assert room.frames("eve") == frames
        await judge(room)
    # The smiles that the end of it ended are told to the room as well.
    assert room.steps("bob") == ["STARTED", "ENDED"]
    messages = sum(each.phase in (Phase.STARTED, Phase.ENDED) for each in room.reactions)
    assert room.publisher.sent + room.publisher.not_sent.get("too_late", 0) == messages


async def judge(room: Meeting) -> None:
    """Ends it. Every frame is accounted for, on this side and on the server's."""
    room.running.cancel()
    await asyncio.wait({room.running})
    for name, totals in room.ingest.totals.items():
        lost = totals.dropped.get("ended", 0) + totals.dropped.get("slow_server", 0)
        # Frames that the packets lost left incomplete are no frames here.
        assert totals.sent + totals.not_sent + lost == totals.frames, name
        assert totals.not_sent == 0, name
    async with asyncio.timeout(30.0):
        # Only the server counts frames, and it sends its counts when asked. So this polls.
        while (await room.stream.statistics()).total.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    total = (await room.stream.statistics()).total
    assert total.is_consistent
    assert total.received == sum(each.sent for each in room.ingest.totals.values())


async def lose_signalling(room: Meeting) -> None:
    """The connection for signalling is lost, and the session is resumed: ICE begins anew, over another path."""
    before = room.told("resumed")
    room.signalling.cut()
    await room.until(lambda: room.told("resumed") > before, "the session to be resumed")
    await room.until_more_frames("ada")


@heavy
@pytest.mark.parametrize("ice_lite", [False, True], ids=["full ICE", "ICE lite"])
async def test_a_lost_connection_for_signalling_costs_no_frame(tmp_path: Path, ice_lite: bool) -> None:
    async with meeting(tmp_path, ice_lite=ice_lite) as room:
        await room.page.call("publish", "ada")
        await room.until(lambda: room.steps("ada"), "a smile")
        await lose_signalling(room)
        await lose_signalling(room)
        assert room.told("disconnected") == 0
        assert room.told("subscribed", "ada") == 1
        assert room.steps("ada") == ["STARTED"]
        # Consent is heard over the new connection.
        await room.page.call("attributes", "ada", {"reactions": ""})
        await room.until(lambda: room.told("stopped", "ada"), "the end of the video")


@heavy
async def test_a_mute_and_a_session_that_begins_anew_lose_no_participant(tmp_path: Path) -> None:
    async with meeting(tmp_path) as room:
        await room.page.call("publish", "ada")
        await room.until(lambda: room.steps("ada"), "a smile")
        await room.page.call("mute", "ada")
        await room.until(lambda: room.steps("ada") == ["STARTED", "ENDED"], "the end of the smile")
        await room.page.call("unmute", "ada")
        await room.until_more_frames("ada")
        # LiveKit knows the session no longer: another one begins.
        room.signalling.takes_new = False
        room.signalling.cut()
        await room.until(lambda: room.told("disconnected"), "the session to be over")
        room.signalling.takes_new = True
        await room.until(lambda: room.told("joined") == 2, "another session")
        await room.until_more_frames("ada")
        assert room.told("stopped", "ada") == 0
        await judge(room)


@heavy
async def test_livekit_is_restarted_and_the_room_is_closed(tmp_path: Path) -> None:
    async with meeting(tmp_path) as room:
        await room.page.call("publish", "bob")
        await room.until_more_frames("bob")
        await room.livekit.restart()
        await room.until(lambda: room.told("joined") == 2, "another session")
        # Browsers come back by themselves.
        await room.until_more_frames("bob")
        await room.livekit.ask("DeleteRoom")
        await room.until(lambda: room.told("closed"), "the end of the meeting")
        await asyncio.wait_for(room.running, 30.0)


@heavy
@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_other_codecs_are_received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    monkeypatch.setitem(PEOPLE["ada"], "codec", codec)
    async with meeting(tmp_path) as room:
        await room.page.call("publish", "ada")
        await room.until(lambda: room.steps("ada"), "a smile")
        await judge(room)
