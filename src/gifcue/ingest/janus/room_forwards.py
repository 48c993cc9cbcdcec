"""Who of a room is forwarded: consent, places, and one forward a publisher."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gifcue.client import ReconnectingStream
from gifcue.ingest.janus.consent import consented
from gifcue.ingest.janus.errors import JanusRefused
from gifcue.ingest.janus.forward import PAYLOAD_TYPE, PublisherForward
from gifcue.ingest.janus.report import notice_of, totals_of
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import (
    NO_SUCH_FEED,
    Gone,
    Id,
    Published,
    Publisher,
    Renamed,
    RoomEvent,
    VideoRoom,
    VideoStream,
)
from gifcue.ingest.report import EndedTotals, Notice, PublisherTotals
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.shared_port import SharedPort

# A participant's name on the wire. Janus' own ids can be longer where `string_ids` is on.
MAX_NAME_BYTES = 128
# Publishers that are remembered, forwarded or not. A later change of their attributes may be their consent.
MAX_KNOWN = 4096


class RoomForwards:
    """Outlives the sessions with Janus, as its forwards do. One call at a time, except `close` and the properties.

    `labels` are those that a publisher can agree to. `on_failure` is called where frames cannot be handed on. Methods
    that take a room raise `JanusUnavailable` where the connection is lost.
    """

    def __init__(
        self,
        settings: JanusSettings,
        stream: ReconnectingStream,
        labels: Sequence[str],
        port: SharedPort,
        tell: Callable[[Notice], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._labels = tuple(labels)
        self._port = port
        self._tell = tell
        self._on_failure = on_failure
        self._known: dict[Id, Publisher] = {}
        self._forwards: dict[Id, PublisherForward] = {}
        self._refused: dict[Id, str] = {}  # why a publisher is not forwarded, so that it is told once
        self._ended = EndedTotals()

    @property
    def totals(self) -> Mapping[str, PublisherTotals]:
        """By publisher."""
        totals = self._ended.by_name
        for each in self._forwards.values():
            name = str(each.publisher.id)
            totals[name] = totals.get(name, PublisherTotals()) + totals_of(each)
        return totals

    @property
    def target(self) -> tuple[str, int]:
        """Where Janus sends to."""
        return self._settings.advertise or (self._settings.listen[0], self._port.port)

    async def take_over(self, room: VideoRoom, publishers: Sequence[Publisher]) -> None:
        """Brings what was there before in line with who publishes at present."""
        known = publishers[:MAX_KNOWN]
        self._known = {each.id: each for each in known}
        self._refused.clear()
        stale = []
        local = []
        for number, forward in self._forwards.items():
            found = self._consented(number)
            if found is None or not forward.serves(found[0]):
                stale.append(forward)
                local.append(self._close(number))
            else:
                forward.publisher = self._known[number]
                local.append(forward.allow(found[1]))
        # Consent may have been withdrawn meanwhile. This side acts on it before Janus is asked anything, as an answer
        # takes time or never comes; and on all at once, as each may wait for the stream to gifcue.
        await asyncio.gather(*local)
        for forward in stale:
            await forward.stop(room)
        for forward in tuple(self._forwards.values()):
            await self._open(room, forward)
        for each in known:
            await self._reconcile(room, each.id)
        # What an instance left behind that was killed.
        await self._stop_others(room)

    async def on_event(self, room: VideoRoom, event: RoomEvent) -> None:
        """Follows a change in the room."""
        before = len(self._forwards)
        match event:
            case Published(publisher):
                if publisher.id in self._known or len(self._known) < MAX_KNOWN:
                    self._known[publisher.id] = publisher
                    await self._reconcile(room, publisher.id)
            case Renamed(number, display):
                if number in self._known:
                    self._known[number] = replace(self._known[number], display=display)
                    await self._reconcile(room, number)
            case Gone(number):
                self._known.pop(number, None)
                self._refused.pop(number, None)
                if number in self._forwards:
                    await self._close(number)
        if len(self._forwards) < before:
            await self._fill(room)

    async def adapt(self, room: VideoRoom) -> None:
        """Adds or removes second copies, as the losses demand."""
        for forward in tuple(self._forwards.values()):
            with contextlib.suppress(JanusRefused):  # gone: the room says so
                if await forward.adapt(room):
                    self._tell(notice_of("copies", forward.publisher, str(forward.copies)))

    async def stop(self, room: VideoRoom) -> None:
        """Ends all forwards in Janus, also those whose making was cancelled before Janus told their ids."""
        await asyncio.gather(*(each.stop(room) for each in self._forwards.values()))
        await self._stop_others(room)

    async def close(self) -> None:
        """Takes nothing more of anybody. Janus goes on sending until it is told."""
        for publisher in tuple(self._forwards):
            await self._close(publisher)

    async def _fill(self, room: VideoRoom) -> None:
        """A place is free: whoever waited for one gets it."""
        for number in tuple(self._known):
            if number not in self._forwards:
                await self._reconcile(room, number)

    async def _reconcile(self, room: VideoRoom, number: Id) -> None:
        """Forwards a publisher as its attributes and streams demand, or not at all."""
        publisher = self._known[number]
        found = self._consented(number)
        existing = self._forwards.get(number)
        if existing is not None:
            if found is not None and existing.serves(found[0]):
                existing.publisher = publisher
                await existing.allow(found[1])
                return
            await self._end(room, number)
        if found is None:
            return
        video, labels = found
        problem = self._problem(publisher, video)
        if problem:
            self._refuse(publisher, problem)
            return
        assert video.codec is not None
        source = self._port.open(
            {PAYLOAD_TYPE: PayloadFormat(video.codec)},
            layers=self._settings.simulcast_layer + 1 if video.simulcast else 1,
            orientation_id=self._settings.orientation_id,
            wait_s=self._settings.wait_s,
        )
        forward = PublisherForward(
            publisher,
            video,
            labels,
            source,
            self._stream,
            self.target,
            self._settings.copies,
            self._on_failure,
        )
        self._forwards[number] = forward
        if await self._open(room, forward):
            self._refused.pop(number, None)
            self._tell(notice_of("forwarded", publisher, f"{video.codec_name}, labels {', '.join(labels)}"))

    async def _open(self, room: VideoRoom, forward: PublisherForward) -> bool:
        try:
            await forward.open(room)
        except JanusRefused as error:
            await self._end(room, forward.publisher.id)  # one copy may have been made
            if error.code != NO_SUCH_FEED:
                self._refuse(forward.publisher, str(error))
            return False
        return True

    def _refuse(self, publisher: Publisher, problem: str) -> None:
        if self._refused.get(publisher.id) != problem:
            self._refused[publisher.id] = problem
            self._tell(notice_of("refused", publisher, problem))

    def _problem(self, publisher: Publisher, video: VideoStream) -> str:
        """Why a publisher who consents cannot be forwarded; empty: it can."""
        if len(self._forwards) >= self._settings.max_publishers:
            return f"expected at most {self._settings.max_publishers} publishers (--max-publishers)"
        if video.codec is None:
            return f"expected video of h264, h265, vp8, vp9 or av1, got {video.codec_name or 'no codec'}"
        if len(str(publisher.id).encode()) > MAX_NAME_BYTES:
            return f"expected an id of at most {MAX_NAME_BYTES} bytes"
        return ""

    def _consented(self, number: Id) -> tuple[VideoStream, Sequence[str]] | None:
        """What of a publisher may be forwarded; None: nothing, or it is gone."""
        publisher = self._known.get(number)
        return None if publisher is None else consented(self._settings.rules, publisher, self._labels)

    async def _end(self, room: VideoRoom, number: Id) -> None:
        """Closes this side first: where Janus cannot be told, what it still sends is dropped here."""
        forward = self._forwards[number]
        await self._close(number)
        await forward.stop(room)

    async def _close(self, number: Id) -> None:
        forward = self._forwards.pop(number)
        try:
            await forward.close()
        finally:
            self._ended.add(str(number), totals_of(forward))
            self._tell(notice_of("stopped", forward.publisher))

    async def _stop_others(self, room: VideoRoom) -> None:
        """Ends the forwards to this side's port that nothing here uses."""
        ours = {number for each in self._forwards.values() for number in each.forwards}
        # A room with a secret tells its forwards only to who has it. One that is gone meanwhile is refused, too.
        with contextlib.suppress(JanusRefused):
            for publisher, number in await room.forwards_to(*self.target):
                if number not in ours:
                    with contextlib.suppress(JanusRefused):
                        await room.stop_forward(publisher, number)
