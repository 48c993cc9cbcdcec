"""Who is subscribed to, with a room whose messages the test writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from livekit.protocol import rtc

from gifcue.client import ReconnectingStream
from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.livekit.camera import OneTimeline
from gifcue.ingest.livekit.cameras import RoomCameras
from gifcue.ingest.livekit.consent import parse_rule
from gifcue.ingest.livekit.errors import LiveKitUnavailable
from gifcue.ingest.livekit.room import Camera, Participant
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.report import Notice
from gifcue.ingest.webrtc.section import OfferedCodec, OfferedMedia
from gifcue.ingest.webrtc.track import VideoTrack
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.ingest.rtp.kit import packetised


class Kit:
    """`asked` has what was asked of LiveKit: "+" and a track for a subscription, "-" for its end."""

    def __init__(self, stream: object = None, **settings: Any) -> None:
        self.notices: list[Notice] = []
        self.asked: list[str] = []
        self.sizes: list[tuple[int, int, int]] = []
        self.is_lost = False
        self.cameras = RoomCameras(
            LiveKitSettings("ws://127.0.0.1", "meeting", [parse_rule("attributes.gifs")], **settings),
            cast(ReconnectingStream, stream),  # joined with the first picture
            ("smile", "wave"),
            self.notices.append,
            lambda error: pytest.fail(str(error)),
        )

    async def ask(self, request: rtc.SignalRequest) -> None:
        if self.is_lost:
            raise LiveKitUnavailable("lost")
        if request.HasField("track_setting"):
            setting = request.track_setting
            self.sizes.append((setting.width, setting.height, setting.fps))
            assert list(setting.track_sids) == [self.asked[-1][1:]]
            return
        (track,) = request.subscription.track_sids
        self.asked.append(("+" if request.subscription.subscribe else "-") + track)

    async def begin(self, *participants: Participant) -> None:
        await self.cameras.begin(participants, self.ask)

    async def update(self, *participants: Participant) -> None:
        await self.cameras.update(participants, self.ask)

    async def opened(self, name: str, *codecs: OfferedCodec) -> VideoTrack:
        media = OfferedMedia("video", "1", "UDP/TLS/RTP/SAVPF", ("96",), False, True, codecs, track=name)
        track = VideoTrack(media, 1, lambda packet: None, lambda: 0.0)
        await self.cameras.opened(track, VideoTrack.close)
        return track

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        return {name: each.labels for name, each in self.cameras._cameras.items()}

    def taken(self, name: str) -> VideoTrack | None:
        return self.cameras._cameras[name].track

    def told(self, kind: str) -> list[str]:
        return [each.publisher for each in self.notices if each.kind == kind]


def camera(sid: str, **fields: Any) -> Camera:
    values: dict[str, Any] = {
        "codec": Codec.VP8,
        "codec_name": "vp8",
        "is_encrypted": False,
        "is_muted": False,
        **fields,
    }
    return Camera(sid, **values)


def participant(
    identity: str,
    gifs: str | None = "smile,wave",
    cameras: Sequence[Camera] | None = None,
    *,
    sid: str = "",
    version: int = 1,
    has_left: bool = False,
) -> Participant:
    return Participant(
        identity,
        sid or f"PA_{identity}",
        None,
        version,
        {} if gifs is None else {"gifs": gifs},
        {},
        [camera(f"TR_{identity}")] if cameras is None else cameras,
        has_left,
    )


async def test_nobody_is_subscribed_to_without_consent() -> None:
    kit = Kit()
    await kit.begin(participant("ada"), participant("eve", None), participant("bob", "wave"))
    await kit.update(participant("dan", "nothing that is known"))
    assert kit.asked == ["+TR_ada", "+TR_bob"]
    assert kit.labels == {"ada": ("smile", "wave"), "bob": ("wave",)}
    assert kit.sizes == [(640, 360, 15)] * 2


async def test_a_track_that_nobody_asked_for_is_not_taken() -> None:
    kit = Kit()
    await kit.begin(participant("ada"), participant("eve", None))
    assert kit.cameras.wants("TR_ada")
    assert not kit.cameras.wants("TR_eve")
    track = await kit.opened("TR_eve")
    assert [unit async for unit in track.units()] == []  # closed
    taken = await kit.opened("TR_ada")
    assert kit.taken("ada") is taken
    await kit.cameras.close()


async def test_consent_that_is_given_and_withdrawn_during_the_meeting_counts_at_once() -> None:
    kit = Kit()
    await kit.begin(participant("ada", None))
    assert kit.asked == []
    await kit.update(participant("ada", "smile", version=2))
    await kit.opened("TR_ada")
    await kit.update(participant("ada", "smile,wave", version=3))
    assert kit.labels == {"ada": ("smile", "wave")}
    await kit.update(participant("ada", None, version=4))
    assert kit.asked == ["+TR_ada", "-TR_ada"]
    assert kit.labels == {}
    assert kit.told("stopped") == ["ada"]


async def test_withdrawn_consent_counts_where_livekit_cannot_be_told() -> None:
    kit = Kit()
    await kit.begin(participant("ada"))
    track = await kit.opened("TR_ada")
    kit.is_lost = True
    with pytest.raises(LiveKitUnavailable):
        await kit.update(participant("ada", None, version=2))
    assert kit.labels == {}
    assert [unit async for unit in track.units()] == []


async def test_an_older_state_of_a_participant_changes_nothing() -> None:
    kit = Kit()
    await kit.begin(participant("ada", None, version=5))
    await kit.update(participant("ada", version=4))
    assert kit.asked == []


async def test_a_camera_that_is_published_again_is_the_same_participant() -> None:
    kit = Kit()
    await kit.begin(participant("ada"))
    first = await kit.opened("TR_ada")
    await kit.update(participant("ada", cameras=[], version=2))
    assert kit.asked == ["+TR_ada", "-TR_ada"]
    assert kit.taken("ada") is None
    assert [unit async for unit in first.units()] == []
    await kit.update(participant("ada", cameras=[camera("TR_2")], version=3))
    second = await kit.opened("TR_2")
    assert kit.asked[2:] == ["+TR_2"]
    assert kit.taken("ada") is second
    assert kit.told("stopped") == []
    await kit.cameras.close()
    assert kit.told("stopped") == ["ada"]


async def test_a_session_that_is_told_late_to_be_over_is_not_the_one_after_it() -> None:
    kit = Kit()
    await kit.begin(participant("ada", sid="PA_1"))
    await kit.update(participant("ada", sid="PA_2", cameras=[camera("TR_2")]))
    await kit.update(participant("ada", sid="PA_1", has_left=True, cameras=[]))
    assert kit.asked == ["+TR_ada", "-TR_ada", "+TR_2"]
    assert kit.cameras.subscribed == ["TR_2"]
    await kit.update(participant("ada", sid="PA_2", has_left=True, cameras=[]))
    assert kit.cameras.subscribed == []


async def test_who_comes_back_without_consent_is_forgotten_at_once() -> None:
    kit = Kit()
    await kit.begin(participant("ada", sid="PA_1"))
    await kit.update(participant("ada", sid="PA_1", has_left=True, cameras=[]))
    assert kit.labels == {"ada": ("smile", "wave")}
    await kit.update(participant("ada", None, sid="PA_2"))
    assert kit.labels == {}


async def test_who_has_left_keeps_the_place_for_a_time_only() -> None:
    kit = Kit(linger_s=60.0)
    await kit.begin(participant("ada"))
    await kit.update(participant("ada", has_left=True, cameras=[]))
    await kit.cameras.expire(kit.ask)
    assert set(kit.labels) == {"ada"}
    kit.cameras._cameras["ada"].idle_since_s = kit.cameras._loop.time() - 61.0
    await kit.cameras.expire(kit.ask)
    assert kit.labels == {}


async def test_a_place_that_becomes_free_is_given_on() -> None:
    kit = Kit(max_publishers=1)
    await kit.begin(participant("ada"), participant("bob"))
    assert kit.told("refused") == ["bob"]
    await kit.update(participant("bob", version=2))
    assert kit.told("refused") == ["bob"]  # told once
    await kit.update(participant("ada", has_left=True, cameras=[]))
    assert kit.asked == ["+TR_ada", "+TR_bob"]
    assert set(kit.labels) == {"bob"}  # who has left gives its place to who is there


async def test_another_session_subscribes_again_and_takes_nothing_of_the_one_before() -> None:
    kit = Kit()
    await kit.begin(participant("ada"), participant("bob"))
    track = await kit.opened("TR_ada")
    await kit.cameras.pause()
    assert [unit async for unit in track.units()] == []
    await kit.begin(participant("ada"), participant("bob", None, version=2), participant("dan"))
    assert kit.asked == ["+TR_ada", "+TR_bob", "+TR_ada", "+TR_dan"]
    assert set(kit.labels) == {"ada", "dan"}


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (participant("ada", cameras=[camera("TR_1", is_encrypted=True)]), "end-to-end encryption"),
        (participant("ada", cameras=[camera("TR_1", codec=None, codec_name="x")]), "got x"),
        (participant("a" * 129), "identity of at most 128 bytes"),
    ],
    ids=["encrypted", "codec", "identity"],
)
async def test_who_cannot_be_received_is_refused_with_the_reason(who: Participant, expected: str) -> None:
    kit = Kit()
    await kit.begin(who)
    assert kit.asked == []
    (notice,) = kit.notices
    assert notice.kind == "refused"
    assert expected in notice.detail


async def test_of_several_cameras_the_first_one_that_is_on_is_taken() -> None:
    kit = Kit()
    both = [camera("TR_1", is_muted=True), camera("TR_2")]
    await kit.begin(participant("ada", cameras=both))
    assert kit.cameras.subscribed == ["TR_2"]
    await kit.update(participant("ada", cameras=[camera("TR_1", is_muted=True)], version=2))
    assert kit.cameras.subscribed == ["TR_1"]


class SlowStream:
    """A stream to gifcue that takes nothing at the moment."""

    async def join(self, *_: object) -> None:
        await asyncio.Event().wait()


async def test_frames_that_wait_are_not_sent_once_consent_is_withdrawn_and_are_counted() -> None:
    kit = Kit(stream=SlowStream())
    await kit.begin(participant("ada"))
    codec = OfferedCodec(96, Codec.VP8, "VP8/90000", "", frozenset())
    track = await kit.opened("TR_ada", codec)
    clip = encode(photo_frames(0.5, 10, width=160, height=96), Codec.VP8, 10)
    for packet in packetised(clip):
        track.receive(packet)
    await kit.update(participant("ada", None, version=2))
    (totals,) = kit.cameras.totals.values()
    assert totals.frames > 1
    assert (totals.sent, totals.not_sent) == (0, 0)
    assert totals.dropped == {"ended": totals.frames}


def unit(pts: int) -> AccessUnit:
    return AccessUnit(Codec.VP8, b"x", pts, 90_000, True)


def test_tracks_that_follow_one_another_are_on_one_timeline() -> None:
    now_s = 100.0
    timeline = OneTimeline(lambda: now_s)
    assert timeline.place(unit(500)) == unit(500)
    now_s = 101.0
    timeline.begin()
    first = timeline.place(unit(7_000_000))
    assert first.pts == 500 + 90_000
    assert first.follows_loss
    second = timeline.place(unit(7_003_000))
    assert second.pts == 500 + 93_000
    assert not second.follows_loss
