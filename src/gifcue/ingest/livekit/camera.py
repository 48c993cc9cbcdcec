"""One participant's camera: the track that LiveKit sends of it, and the participant of gifcue that it becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from gifcue.client import ReconnectingStream
from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.report import PublisherTotals
from gifcue.ingest.webrtc.track import VideoTrack


class OneTimeline:
    """Puts the access units of tracks that follow one another on one timeline, by their times of arrival.

    A camera that is published again has a new clock. To gifcue it is the same participant, with a pause in between.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: tuple[float, float] | None = None  # the newest pts in seconds, and when it came
        self._offset = 0
        self._is_first = True

    def begin(self) -> None:
        """The next access unit is the first of another track."""
        self._is_first = True

    def place(self, unit: AccessUnit) -> AccessUnit:
        """The access unit with its time on the timeline. The first one of a track follows a loss."""
        now_s = self._now()
        if self._is_first:
            self._is_first = False
            self._offset = 0
            if self._last is not None:
                pts_s, arrived_s = self._last
                expected_s = pts_s + max(now_s - arrived_s, 1 / unit.clock_hz)
                self._offset = round(expected_s * unit.clock_hz) - unit.pts
                unit = replace(unit, follows_loss=True)
        if self._offset:
            unit = replace(unit, pts=unit.pts + self._offset)
        pts_s = unit.pts / unit.clock_hz
        if self._last is None or pts_s > self._last[0]:
            self._last = (pts_s, now_s)
        return unit


class ParticipantCamera:
    """A participant of gifcue until `close`. Tracks come and go meanwhile: `attach` and `detach`.

    `on_failure` is called where frames cannot be handed on, as the stream to gifcue has ended. `subscribed` is the
    track that LiveKit was asked for, `idle_since_s` since when there is none.
    """

    def __init__(
        self,
        identity: str,
        labels: Sequence[str],
        stream: ReconnectingStream,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.identity = identity
        self.labels = tuple(labels)
        self.display = ""
        self.subscribed: str | None = None
        self.idle_since_s: float | None = None
        self.feed = ParticipantFeed(stream, identity, labels, self._request_keyframe)
        self._on_failure = on_failure
        self._timeline = OneTimeline(asyncio.get_running_loop().time)
        self._track: VideoTrack | None = None
        self._forget: Callable[[VideoTrack], None] = VideoTrack.close
        self._handed_on = 0  # access units of the track
        self._sending: asyncio.Task[None] | None = None
        self._before = PublisherTotals()  # of tracks that have ended

    @property
    def totals(self) -> PublisherTotals:
        """What became of the packets and frames of all of its tracks."""
        totals = self._before + _of_track(self._track)
        return replace(totals, sent=self.feed.sent, not_sent=self.feed.not_sent)

    @property
    def track(self) -> VideoTrack | None:
        """The track that is taken."""
        return self._track

    async def attach(self, track: VideoTrack, forget: Callable[[VideoTrack], None]) -> None:
        """Takes a track from now on, in place of the one before. `forget` ends what comes of it."""
        await self.detach()
        self._track, self._forget, self._handed_on = track, forget, 0
        self._timeline.begin()
        self._sending = asyncio.create_task(self._send(track), name=f"frames of {self.identity}")
        # The track may have begun in between two keyframes.
        track.request_keyframe()

    async def detach(self) -> None:
        """Nothing more is taken of the track."""
        track, self._track = self._track, None
        sending, self._sending = self._sending, None
        if track is None or sending is None:
            return
        self._forget(track)
        sending.cancel()
        await asyncio.wait({sending})
        ended = _of_track(track)
        # Frames that waited for the stream to gifcue. Consent may have been withdrawn, so they are not sent.
        left = ended.frames - self._handed_on - ended.dropped.get("slow_server", 0)
        self._before = self._before + ended + PublisherTotals(dropped={"ended": left} if left else {})

    async def allow(self, labels: Sequence[str]) -> bool:
        """Replaces the labels that the participant agrees to; False where they are the same."""
        if tuple(labels) == self.labels:
            return False
        self.labels = tuple(labels)
        await self.feed.set_allowed(self.labels)
        return True

    async def close(self) -> None:
        """The participant leaves gifcue, and nothing of it is taken any longer."""
        await self.detach()
        await self.feed.close()

    def _request_keyframe(self) -> None:
        if self._track is not None:
            self._track.request_keyframe()

    async def _send(self, track: VideoTrack) -> None:
        try:
            async for unit in track.units():
                await self.feed.send(self._timeline.place(unit))
                self._handed_on += 1
        except Exception as error:
            self._on_failure(error)


def _of_track(track: VideoTrack | None) -> PublisherTotals:
    if track is None:
        return PublisherTotals()
    receiver = track.receiver
    return PublisherTotals(
        receiver.packets,
        receiver.units,
        keyframes_requested=track.keyframes_requested,
        dropped=track.dropped,
    )
