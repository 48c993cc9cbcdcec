"""Follows a VideoRoom, and connects again when Janus was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from gifcue.client import ReconnectingStream
from gifcue.ingest.janus.errors import JanusError, JanusRefused, JanusUnavailable
from gifcue.ingest.janus.room_forwards import RoomForwards
from gifcue.ingest.janus.session import JanusSession
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import PLUGIN, Publisher, VideoRoom
from gifcue.ingest.report import Notice, PublisherTotals
from gifcue.ingest.rtp.shared_port import SharedPort

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
        self._tell = tell
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._port = SharedPort(*settings.listen, settings.only_from)
        self._forwards = RoomForwards(settings, stream, labels, self._port, tell, self._fail)
        self._connections = 0

    @property
    def totals(self) -> Mapping[str, PublisherTotals]:
        """By publisher."""
        return self._forwards.totals

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams that belong to no publisher, by reason."""
        return self._port.dropped

    @property
    def port(self) -> int:
        """The UDP port that is open while `run` runs."""
        return self._port.port

    async def run(self) -> None:
        """Follows the room; ends its forwards when it is cancelled.

        Raises:
            JanusUnavailable: the first connection fails, unless `wait_for_janus` is set.
            JanusRefused: Janus answers that it never will.
            ListenError: the UDP port cannot be opened.
            ClientError: the error that ended the stream of reactions.
        """
        async with self._port:
            following = asyncio.ensure_future(self._follow_forever())
            try:
                await asyncio.wait({following, self._failed}, return_when=asyncio.FIRST_COMPLETED)
                for each in (following, self._failed):
                    if each.done():
                        each.result()
            finally:
                following.cancel()
                await asyncio.wait({following})
                await self._forwards.close()

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
                await self._forwards.close()
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
            try:
                await self._follow_room(room, publishers)
            except asyncio.CancelledError:
                # No task changes the forwards any more: both have ended.
                with contextlib.suppress(JanusError, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await self._forwards.stop(room)
                raise

    async def _follow_room(self, room: VideoRoom, publishers: Sequence[Publisher]) -> None:
        changing = asyncio.Lock()
        tasks = [asyncio.ensure_future(self._adapt(room, changing))]
        try:
            async with changing:
                await self._forwards.take_over(room, publishers)
            tasks.append(asyncio.ensure_future(self._follow_events(room, changing)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                if each.done():
                    each.result()
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)

    async def _follow_events(self, room: VideoRoom, changing: asyncio.Lock) -> None:
        async for event in room.events():
            async with changing:
                await self._forwards.on_event(room, event)

    async def _adapt(self, room: VideoRoom, changing: asyncio.Lock) -> None:
        while True:
            await asyncio.sleep(ADAPT_S)
            async with changing:
                await self._forwards.adapt(room)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
