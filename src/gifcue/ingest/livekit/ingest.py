"""Follows a LiveKit room, and connects again when LiveKit was lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from gifcue.client import ReconnectingStream
from gifcue.ingest.livekit.access import Tokens
from gifcue.ingest.livekit.cameras import RoomCameras
from gifcue.ingest.livekit.errors import LiveKitError, LiveKitUnavailable, RoomClosed
from gifcue.ingest.livekit.session import TICK_S, RoomSession
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.report import Notice, PublisherTotals


class LiveKitIngest:
    """`run` follows the room until it is closed or `run` is cancelled. `labels` are those that a participant
    can agree to.
    """

    def __init__(
        self,
        settings: LiveKitSettings,
        tokens: Tokens,
        stream: ReconnectingStream,
        labels: Sequence[str],
        tell: Callable[[Notice], None],
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._tokens = tokens
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cameras = RoomCameras(settings, stream, labels, tell, self._fail)
        self._changing = asyncio.Lock()
        self._session: RoomSession | None = None
        self._dropped: Counter[str] = Counter()

    @property
    def totals(self) -> Mapping[str, PublisherTotals]:
        """By participant."""
        return self._cameras.totals

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that belong to no participant, by reason."""
        return self._dropped + (Counter(self._session.dropped) if self._session else Counter())

    async def run(self) -> None:
        """Follows the room.

        Raises:
            LiveKitUnavailable: the first connection fails, unless `wait` is set.
            LiveKitRefused: LiveKit answers that it never will, or another session has taken this one's place.
            ClientError: the error that ended the stream of reactions.
        """
        following = asyncio.ensure_future(self._follow_forever())
        try:
            await asyncio.wait({following, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            for each in (following, self._failed):
                if each.done():
                    each.result()
        finally:
            following.cancel()
            await asyncio.wait({following})
            await self._cameras.close()

    async def _follow_forever(self) -> None:
        """Returns once the room is closed, unless `wait` is set."""
        has_joined = False
        attempt = 0
        while True:
            session = self._session = RoomSession(
                self._settings, self._tokens, self._cameras, self._changing, self._tell
            )
            try:
                await session.run()
            except RoomClosed as closed:
                self._tell(Notice("closed", detail=str(closed)))
                if not self._settings.wait:
                    return
                problem: LiveKitError = closed
            except LiveKitUnavailable as error:
                if not (has_joined or session.has_joined or self._settings.wait):
                    raise
                problem = error
            finally:
                self._dropped += Counter(session.dropped)
                self._session = None
            async with self._changing:
                await self._cameras.pause()
            has_joined = has_joined or session.has_joined
            attempt = 1 if session.was_steady else attempt + 1
            delay_s = self._settings.backoff.delay_s(attempt)
            self._tell(Notice("disconnected", detail=f"{problem}; the next attempt is in {delay_s:.1f} s"))
            await self._wait(delay_s)

    async def _wait(self, delay_s: float) -> None:
        ticking = asyncio.ensure_future(self._tick())
        try:
            await self._settings.backoff.sleep(delay_s)
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._changing:
                await self._cameras.expire(None)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
