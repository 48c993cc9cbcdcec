"""Follows a VideoRoom: forwards who consents, hands the frames on, and connects again when Janus was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gifcue.client import ReconnectingStream
from gifcue.ingest.janus.consent import consented
from gifcue.ingest.janus.errors import JanusError, JanusRefused, JanusUnavailable
from gifcue.ingest.janus.forward import PAYLOAD_TYPE, PublisherForward
from gifcue.ingest.janus.report import Notice, PublisherTotals, notice_of, totals_of
from gifcue.ingest.janus.session import JanusSession
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import (
    NO_SUCH_FEED,
    PLUGIN,
    Gone,
    Id,
    Published,
    Publisher,
    Renamed,
    RoomEvent,
    VideoRoom,
    VideoStream,
)
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.shared_port import SharedPort

# A participant's name on the wire. Janus' own ids can be longer where `string_ids` is on.
MAX_NAME_BYTES = 128
# Publishers that are remembered, forwarded or not. A later change of their attributes may be their consent.
MAX_KNOWN = 4096
# Publishers whose totals are kept apart. The older ones are added up under the name EARLIER.
MAX_TOTALS = 1024
EARLIER = "earlier publishers"
# Seconds between two looks at the losses of each forward.
ADAPT_S = 1.0
# Seconds that ending the forwards may take.
STOP_S = 5.0


class JanusIngest:
    """`run` follows the room until it is cancelled. `labels` are those that a publisher can agree to."""

    def __init__(
        self,
        settings: JanusSettings,
        stream: ReconnectingStream,
        labels: Sequence[str],
        tell: Callable[[Notice], None],
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._labels = tuple(labels)
        self._tell = tell
        self._known: dict[Id, Publisher] = {}
        self._forwards: dict[Id, PublisherForward] = {}
        self._refused: dict[Id, str] = {}  # why a publisher is not forwarded, so that it is told once
        self._ended: dict[str, PublisherTotals] = {}
        self._port: SharedPort | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections = 0

    @property
    def totals(self) -> Mapping[str, PublisherTotals]:
        """By publisher."""
        totals = dict(self._ended)
        for each in self._forwards.values():
            name = str(each.publisher.id)
            totals[name] = totals.get(name, PublisherTotals()) + totals_of(each)
        return totals

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams that belong to no publisher, by reason."""
        return self._port.dropped if self._port is not None else {}

    async def run(self) -> None:
        """Follows the room; ends its forwards when it is cancelled.

        Raises:
            JanusUnavailable: the first connection fails, unless `wait_for_janus` is set.
            JanusRefused: Janus answers that it never will.
            ListenError: the UDP port cannot be opened.
            ClientError: the error that ended the stream of reactions.
        """
        settings = self._settings
        async with SharedPort(*settings.listen, settings.only_from) as port:
            self._port = port
            following = asyncio.ensure_future(self._follow_forever())
            try:
                await asyncio.wait({following, self._failed}, return_when=asyncio.FIRST_COMPLETED)
                for each in (following, self._failed):
                    if each.done():
                        each.result()
            finally:
                following.cancel()
                await asyncio.wait({following})
                for publisher in tuple(self._forwards):
                    await self._close(publisher)

    async def _follow_forever(self) -> None:
        attempt = 0
        lost_s: float | None = None  # since when there is no session
        while True:
            before = self._connections
            try:
                await self._follow()
            except JanusRefused as error:
                # After a restart, Janus may not know a room yet that somebody makes.
                if self._connections == 0 and not self._settings.wait_for_janus:
                    raise
                problem: JanusError = error
            except JanusUnavailable as error:
                if self._connections == 0 and not self._settings.wait_for_janus:
                    raise
                problem = error
            now_s = asyncio.get_running_loop().time()
            if self._connections > before or lost_s is None:
                lost_s = now_s
            if now_s - lost_s >= self._settings.consent_s:
                # Who withdraws consent meanwhile cannot be heard.
                for publisher in tuple(self._forwards):
                    await self._close(publisher)
            attempt = 1 if self._connections > before else attempt + 1
            delay_s = self._settings.backoff.delay_s(attempt)
            self._tell(Notice("disconnected", detail=f"{problem}; the next attempt is in {delay_s:.1f} s"))
            await self._settings.backoff.sleep(delay_s)

    async def _follow(self) -> None:
        """One session. The forwards stay where it is lost: Janus goes on sending. They end where this is cancelled."""
        settings = self._settings
        async with JanusSession(settings.url, PLUGIN, settings.janus_access) as session:
            room = VideoRoom(session, settings.room, settings.room_access)
            publishers = await room.join(settings.display)
            self._connections += 1
            self._tell(Notice("joined", detail=f"{len(publishers)} publishers"))
            changing = asyncio.Lock()
            adapting = asyncio.ensure_future(self._adapt(room, changing))
            try:
                async with changing:
                    await self._take_over(room, publishers)
                events = asyncio.ensure_future(self._follow_events(room, changing))
                try:
                    await asyncio.wait({events, adapting}, return_when=asyncio.FIRST_COMPLETED)
                    for each in (events, adapting):
                        if each.done():
                            each.result()
                finally:
                    events.cancel()
                    await asyncio.wait({events})
            except asyncio.CancelledError:
                with contextlib.suppress(JanusError, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await asyncio.gather(*(each.stop(room) for each in self._forwards.values()))
                raise
            finally:
                adapting.cancel()
                await asyncio.wait({adapting})

    async def _follow_events(self, room: VideoRoom, changing: asyncio.Lock) -> None:
        async for event in room.events():
            async with changing:
                await self._on_event(room, event)

    async def _adapt(self, room: VideoRoom, changing: asyncio.Lock) -> None:
        while True:
            await asyncio.sleep(ADAPT_S)
            async with changing:
                for forward in tuple(self._forwards.values()):
                    with contextlib.suppress(JanusRefused):  # gone: the room says so
                        if await forward.adapt(room):
                            self._tell(notice_of("copies", forward.publisher, str(forward.copies)))

    async def _take_over(self, room: VideoRoom, publishers: Sequence[Publisher]) -> None:
        """Brings what was there before in line with who publishes at present."""
        self._known = {each.id: each for each in publishers[:MAX_KNOWN]}
        self._refused.clear()
        for number, forward in tuple(self._forwards.items()):
            found = self._consented(number)
            if found is None or not forward.serves(found[0]):
                # Consent may have been withdrawn meanwhile: nothing more is taken, not even for a moment.
                await self._end(room, number)
            else:
                await self._open(room, forward)
        for each in publishers[:MAX_KNOWN]:
            await self._reconcile(room, each.id)
        # What an instance left behind that was killed. A room with a secret tells it only to who has it.
        assert self._port is not None
        ours = {number for each in self._forwards.values() for number in each.forwards}
        with contextlib.suppress(JanusRefused):
            for publisher, number in await room.forwards_to(*self._target()):
                if number not in ours:
                    await room.stop_forward(publisher, number)

    async def _on_event(self, room: VideoRoom, event: RoomEvent) -> None:
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
                    await self._fill(room)

    async def _fill(self, room: VideoRoom) -> None:
        """A place is free: whoever waited for one gets it."""
        for number in tuple(self._known):
            if number not in self._forwards:
                await self._reconcile(room, number)

    async def _reconcile(self, room: VideoRoom, number: Id) -> None:
        """Forwards a publisher as its attributes and streams demand, or no longer."""
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
        problem = self._problem(publisher, video.codec is not None, video.codec_name)
        if problem:
            if self._refused.get(number) != problem:
                self._refused[number] = problem
                self._tell(notice_of("refused", publisher, problem))
            return
        assert self._port is not None
        assert video.codec is not None
        source = self._port.open(
            {PAYLOAD_TYPE: PayloadFormat(video.codec)},
            layers=self._settings.simulcast_layer + 1 if video.simulcast else 1,
            orientation_id=self._settings.orientation_id,
            wait_s=self._settings.wait_s,
        )
        forward = PublisherForward(
            publisher, video, labels, source, self._stream, self._target(), self._settings.copies, self._fail
        )
        self._forwards[number] = forward
        if await self._open(room, forward):
            self._refused.pop(number, None)
            self._tell(notice_of("forwarded", publisher, f"{video.codec_name}, labels {', '.join(labels)}"))

    async def _open(self, room: VideoRoom, forward: PublisherForward) -> bool:
        try:
            await forward.open(room)
        except JanusRefused as error:
            await self._close(forward.publisher.id)
            if error.code != NO_SUCH_FEED:
                self._refused[forward.publisher.id] = str(error)
                self._tell(notice_of("refused", forward.publisher, str(error)))
            return False
        return True

    def _problem(self, publisher: Publisher, is_known_codec: bool, codec: str) -> str:
        """Why a publisher who consents cannot be forwarded; empty: it can."""
        if len(self._forwards) >= self._settings.max_publishers:
            return f"expected at most {self._settings.max_publishers} publishers (--max-publishers)"
        if not is_known_codec:
            return f"expected video of h264, h265, vp8, vp9 or av1, got {codec or 'no codec'}"
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
        await forward.close()
        name = str(number)
        self._ended[name] = self._ended.pop(name, PublisherTotals()) + totals_of(forward)
        if len(self._ended) > MAX_TOTALS:
            oldest = next(each for each in self._ended if each != EARLIER)
            earlier = self._ended.pop(EARLIER, PublisherTotals())
            self._ended[EARLIER] = earlier + self._ended.pop(oldest)
        self._tell(notice_of("stopped", forward.publisher))

    def _target(self) -> tuple[str, int]:
        assert self._port is not None
        return self._settings.advertise or (self._settings.listen[0], self._port.port)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
