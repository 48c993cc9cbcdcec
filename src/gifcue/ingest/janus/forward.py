"""One publisher's video: its forwards in Janus, its access units, and the participant that they become."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from gifcue.client import ReconnectingStream
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.janus.copies import CopyChoice, PacketCounts
from gifcue.ingest.janus.errors import JanusRefused
from gifcue.ingest.janus.videoroom import ForwardTarget, Publisher, VideoRoom, VideoStream
from gifcue.ingest.rtp.shared_port import SharedSource

# Janus writes this payload type into every packet that it forwards, whatever the publisher uses.
PAYLOAD_TYPE = 96


class PublisherForward:
    """Open until `close`. `on_failure` is called where its frames cannot be handed on, as the stream has ended."""

    def __init__(
        self,
        publisher: Publisher,
        video: VideoStream,
        labels: Sequence[str],
        source: SharedSource,
        stream: ReconnectingStream,
        target: tuple[str, int],
        copies: int | None,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.publisher = publisher
        self.video = video
        self.labels = tuple(labels)
        self.source = source
        self.feed = ParticipantFeed(stream, str(publisher.id), labels, source.request_keyframe)
        self._target = ForwardTarget(*target, PAYLOAD_TYPE, source.ssrcs)
        self._copies = CopyChoice(copies)
        self._made: list[Sequence[int]] = []  # the forwards of each copy, the oldest first
        self._on_failure = on_failure
        self._sending = asyncio.create_task(self._send(), name=f"frames of {publisher.id}")

    @property
    def forwards(self) -> set[int]:
        """Janus' ids of its forwards."""
        return {each for copy in self._made for each in copy}

    def serves(self, video: VideoStream) -> bool:
        """Whether the forwards that exist carry `video`."""
        mine = self.video
        return (mine.mid, mine.codec, mine.simulcast) == (video.mid, video.codec, video.simulcast)

    async def open(self, room: VideoRoom) -> None:
        """Makes the forwards, also where a new session takes over from one that was lost: forwards outlive sessions.

        Raises:
            JanusRefused: the publisher is gone, or a secret is wrong.
            JanusUnavailable: the connection is lost.
        """
        before = len(self._made)
        for _ in range(self._copies.copies):
            await self._add(room)
        # The old ones end after the new ones flow: what comes twice is dropped, and nothing is missing in between.
        await self._stop(room, before)
        self.source.request_keyframe()

    async def adapt(self, room: VideoRoom) -> bool:
        """Adds or removes the second copy, as the losses demand. True where the number has changed.

        Raises:
            JanusRefused: the publisher is gone.
            JanusUnavailable: the connection is lost.
        """
        receiver = self.source.receiver
        copies = self._copies.decide(
            PacketCounts(
                receiver.packets, receiver.dropped.get("duplicate", 0), receiver.dropped.get("lost", 0)
            )
        )
        if not self._made or copies == len(self._made):
            return False
        while len(self._made) < copies:
            await self._add(room)
        # The newest one stays: it is the one that takes requests for keyframes.
        await self._stop(room, len(self._made) - copies)
        return True

    @property
    def copies(self) -> int:
        """How often Janus sends each packet."""
        return len(self._made)

    async def allow(self, labels: Sequence[str]) -> None:
        """Replaces the labels that the participant agrees to."""
        if tuple(labels) != self.labels:
            self.labels = tuple(labels)
            await self.feed.set_allowed(self.labels)

    async def stop(self, room: VideoRoom) -> None:
        """Ends the forwards in Janus.

        Raises:
            JanusUnavailable: the connection is lost.
        """
        await self._stop(room, len(self._made))

    async def close(self) -> None:
        """The participant leaves, and nothing of it is taken any longer."""
        self.source.close()
        self._sending.cancel()
        await asyncio.wait({self._sending})
        await self.feed.close()

    async def _add(self, room: VideoRoom) -> None:
        forwarded = await room.forward(self.publisher.id, self.video, self._target)
        self._made.append(forwarded.ids)
        self.source.feedback_port = forwarded.rtcp_port or self.source.feedback_port

    async def _stop(self, room: VideoRoom, count: int) -> None:
        """Ends the oldest copies. Each is known until Janus has ended it, so that another attempt can end it."""
        for _ in range(count):
            for each in self._made[0]:
                with contextlib.suppress(JanusRefused):  # it ended with the publisher
                    await room.stop_forward(self.publisher.id, each)
            del self._made[0]

    async def _send(self) -> None:
        try:
            async for unit in self.source.units():
                await self.feed.send(unit)
        except Exception as error:
            self._on_failure(error)
