"""A session with a LiveKit whose signalling the test writes: how it begins, goes on and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from livekit.protocol import models, rtc

from benchmarks.offering import OfferedVideo, OfferingPeer
from gifcue.client import Backoff, ReconnectingStream
from gifcue.ingest.livekit import session
from gifcue.ingest.livekit.consent import parse_rule
from gifcue.ingest.livekit.errors import LiveKitRefused, LiveKitUnavailable
from gifcue.ingest.livekit.ingest import LiveKitIngest
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.report import Notice
from tests.ingest.livekit.fake import FakeLiveKit, fake_livekit, info, joined, left, reconnected, updated
from tests.ingest.livekit.kit import tokens
from tests.support.waiting import until

CONSENT = {"gifs": "smile"}


class Following:
    def __init__(self, livekit: FakeLiveKit, ingest: LiveKitIngest, notices: list[Notice]) -> None:
        self.livekit = livekit
        self.notices = notices
        self.delays: list[float] = []
        self.task = asyncio.create_task(ingest.run())

    def told(self, kind: str) -> list[str]:
        return [each.detail for each in self.notices if each.kind == kind]

    async def until_joined(self, count: int) -> None:
        await until(lambda: len(self.told("joined")) == count)

    @property
    def subscriptions(self) -> list[str]:
        """ "+" and the track for a subscription, "-" for its end."""
        asked = self.livekit.asked("subscription")
        return [("+" if each.subscribe else "-") + track for each in asked for track in each.track_sids]


@asynccontextmanager
async def following(*first: rtc.SignalResponse | bytes | None, **settings: Any) -> AsyncIterator[Following]:
    async with fake_livekit() as livekit:
        livekit.first = list(first)
        notices: list[Notice] = []
        delays: list[float] = []

        async def sleep(seconds: float) -> None:
            delays.append(seconds)
            await asyncio.sleep(0)

        ingest = LiveKitIngest(
            LiveKitSettings(
                livekit.url,
                "meeting",
                [parse_rule("attributes.gifs")],
                backoff=Backoff(jitter=0.0, sleep=sleep),
                **settings,
            ),
            tokens(),
            cast(ReconnectingStream, None),  # joined with the first picture, and none comes
            ("smile",),
            notices.append,
        )
        follows = Following(livekit, ingest, notices)
        follows.delays = delays
        try:
            yield follows
        finally:
            follows.task.cancel()
            await asyncio.wait({follows.task})


async def test_the_token_is_not_in_the_address_and_nothing_is_subscribed_to_by_itself() -> None:
    async with following(joined(info("ada", CONSENT, "TR_1"), info("eve", None, "TR_2"))) as follows:
        await follows.livekit.until_asked("track_setting")
        (query,) = follows.livekit.queries
        assert query.pop("authorization").startswith("Bearer ")
        assert query == {"protocol": "15", "auto_subscribe": "0"}
        assert follows.subscriptions == ["+TR_1"]
        follows.task.cancel()
        (leave,) = await follows.livekit.until_asked("leave")
        assert leave.reason == models.DisconnectReason.CLIENT_INITIATED


async def test_who_joins_consents_and_leaves_is_followed() -> None:
    async with following(joined()) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(updated(info("ada", None, "TR_1"), info("bob", CONSENT, "TR_2")))
        await follows.livekit.tell(updated(info("ada", CONSENT, "TR_1", version=2)))
        await follows.livekit.tell(updated(info("ada", None, "TR_1", version=3)))
        await follows.livekit.until_asked("subscription", 3)
        assert follows.subscriptions == ["+TR_2", "+TR_1", "-TR_1"]


async def test_a_connection_that_is_lost_is_resumed_with_what_was_subscribed_to() -> None:
    async with following(joined(info("ada", CONSENT, "TR_1")), reconnected()) as follows:
        await follows.livekit.until_asked("track_setting")
        await follows.livekit.cut()
        (state,) = await follows.livekit.until_asked("sync_state")
        assert follows.livekit.queries[1]["reconnect"] == "1"
        assert follows.livekit.queries[1]["sid"] == "PA_gifcue"
        assert (list(state.subscription.track_sids), state.subscription.subscribe) == (["TR_1"], True)
        await until(lambda: follows.told("resumed"))
        await follows.livekit.tell(updated(info("ada", None, "TR_1", version=2)))
        await follows.livekit.until_asked("subscription", 2)
        assert follows.subscriptions == ["+TR_1", "-TR_1"]
        assert follows.told("disconnected") == []


async def test_a_livekit_that_takes_the_session_up_without_a_word_is_lost_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "RESUME_S", 0.05)
    async with following(joined(info("ada", CONSENT, "TR_1")), None) as follows:
        await follows.livekit.until_asked("track_setting")
        await follows.livekit.cut()
        await until(lambda: follows.told("disconnected"))
        assert "resume the session within 0.05 s" in follows.told("disconnected")[0]
        assert follows.told("resumed") == []


async def test_a_session_that_livekit_knows_no_longer_is_followed_by_another_one() -> None:
    again = joined(info("ada", CONSENT, "TR_2"))
    async with following(joined(info("ada", CONSENT, "TR_1")), left("STATE_MISMATCH"), again) as follows:
        await follows.livekit.until_asked("track_setting")
        await follows.livekit.cut()
        await follows.livekit.until_asked("track_setting", 2)
        assert follows.subscriptions == ["+TR_1", "+TR_2"]
        assert "reconnect" not in follows.livekit.queries[2]
        assert len(follows.told("disconnected")) == 1
        assert follows.delays == [0.25]
        assert follows.told("stopped") == []


async def test_a_livekit_that_is_gone_is_tried_with_growing_pauses() -> None:
    async with following(joined()) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(left("SERVER_SHUTDOWN"))
        await until(lambda: len(follows.delays) > 4)
        assert follows.delays[:4] == [0.25, 0.5, 1.0, 2.0]
        follows.livekit.first = [joined()]
        await until(lambda: len(follows.told("joined")) == 2)


@pytest.mark.parametrize(("steady_s", "expected"), [(1e6, [0.25, 0.5, 1.0]), (0.0, [0.25, 0.25, 0.25])])
async def test_pauses_grow_where_sessions_begin_and_end_at_once(
    steady_s: float, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STEADY_S", steady_s)
    async with following(joined(), joined(), joined()) as follows:
        for number in range(1, 4):
            await follows.until_joined(number)
            await follows.livekit.tell(left("SERVER_SHUTDOWN"))
        await until(lambda: len(follows.delays) >= 3)
        assert follows.delays[:3] == expected


async def test_a_track_that_this_side_did_not_ask_for_is_not_received_and_unsubscribed_from() -> None:
    videos = [
        OfferedVideo("TR_1", 1000, encoding="VP8/90000"),
        OfferedVideo("TR_2", 2000, encoding="VP8/90000"),
    ]
    peer = OfferingPeer(videos, lambda packet: None)
    async with following(joined(info("ada", CONSENT, "TR_1"), info("eve", None, "TR_2"))) as follows:
        try:
            await follows.livekit.until_asked("track_setting")
            offer = rtc.SessionDescription(type="offer", sdp=await peer.offer(), id=7)
            await follows.livekit.tell(rtc.SignalResponse(offer=offer))
            (answer,) = await follows.livekit.until_asked("answer")
            assert answer.id == 7
            first, second = answer.sdp.split("m=video ")[1:]
            assert "a=recvonly" in first
            assert "a=inactive" in second
            await until(lambda: follows.subscriptions == ["+TR_1", "-TR_2"])
        finally:
            await peer.close()


async def test_what_livekit_says_last_counts_where_video_ends_before() -> None:
    videos = [OfferedVideo("TR_1", 1000, encoding="VP8/90000")]
    peer = OfferingPeer(videos, lambda packet: None)
    async with following(joined(info("ada", CONSENT, "TR_1"))) as follows:
        await follows.livekit.until_asked("track_setting")
        offer = rtc.SessionDescription(type="offer", sdp=await peer.offer(), id=1)
        await follows.livekit.tell(rtc.SignalResponse(offer=offer))
        (answer,) = await follows.livekit.until_asked("answer")
        await peer.take_answer(answer.sdp)
        await peer.close()
        await follows.livekit.tell(left("ROOM_CLOSED"))
        await asyncio.wait_for(follows.task, 30.0)
        assert follows.told("closed")


@pytest.mark.parametrize("reason", ["ROOM_CLOSED", "ROOM_DELETED"])
async def test_a_room_that_is_closed_ends_it(reason: str) -> None:
    async with following(joined()) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(left(reason))
        await asyncio.wait_for(follows.task, 30.0)
        (told,) = follows.told("closed")
        assert reason in told


async def test_with_wait_it_stays_for_the_next_meeting() -> None:
    async with following(joined(), joined(), wait=True) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(left("ROOM_CLOSED"))
        await until(lambda: len(follows.told("joined")) == 2)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("DUPLICATE_IDENTITY", "expected to be the only session named 'gifcue'"),
        ("PARTICIPANT_REMOVED", "got: removed from it"),
    ],
)
async def test_it_does_not_come_back_where_it_is_not_wanted(reason: str, expected: str) -> None:
    async with following(joined(), wait=True) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(left(reason))
        with pytest.raises(LiveKitRefused, match=expected):
            await asyncio.wait_for(follows.task, 30.0)


async def test_a_refused_token_is_told_with_the_reason_and_without_the_token() -> None:
    async with following(wait=True) as follows:
        given = tokens().join()
        follows.livekit.refusal = (401, f"invalid token: {given}, error: the key is unknown")
        with pytest.raises(LiveKitRefused, match=r"got status 401: .*the key is unknown") as refused:
            await asyncio.wait_for(follows.task, 30.0)
        assert given not in str(refused.value)


async def test_a_livekit_that_cannot_be_reached_at_first_is_an_error() -> None:
    async with following() as follows:
        with pytest.raises(LiveKitUnavailable, match="got status 503: not now"):
            await asyncio.wait_for(follows.task, 30.0)


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xff\xff",
        b"",
        rtc.SignalResponse(offer=rtc.SessionDescription(type="offer", sdp="v=0\r\nnonsense")),
        rtc.SignalResponse(offer=rtc.SessionDescription(type="offer", sdp="v=0\r\n" + "a=x\r\n" * 1_000_000)),
        rtc.SignalResponse(trickle=rtc.TrickleRequest(candidateInit="[" * 3000)),
        rtc.SignalResponse(trickle=rtc.TrickleRequest(target="SUBSCRIBER", candidateInit="[" * 2000)),
        rtc.SignalResponse(trickle=rtc.TrickleRequest(target="SUBSCRIBER", candidateInit='{"candidate": 3}')),
        rtc.SignalResponse(
            trickle=rtc.TrickleRequest(target="SUBSCRIBER", candidateInit='{"candidate": "candidate:x"}')
        ),
        updated(models.ParticipantInfo(identity="x", sid="y", metadata="[" * 60_000)),
        rtc.SignalResponse(leave=rtc.LeaveRequest(reason=cast(Any, 999))),
    ],
    ids=["bytes", "empty", "sdp", "large", "deep", "deep json", "type", "candidate", "metadata", "reason"],
)
async def test_what_makes_no_sense_costs_the_session_at_most(message: rtc.SignalResponse | bytes) -> None:
    async with following(joined(), joined(info("ada", CONSENT, "TR_1"))) as follows:
        await until(lambda: follows.told("joined"))
        await follows.livekit.tell(message)
        await follows.livekit.cut()
        follows.livekit.first.append(joined(info("ada", CONSENT, "TR_1")))
        await follows.livekit.until_asked("subscription")
        assert not follows.task.done()
