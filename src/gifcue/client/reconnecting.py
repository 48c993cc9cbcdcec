"""A stream that outlives its connections.

When a connection is lost, or the server drains, it dials again with backoff, repeats the configuration and
every join, and holds each participant's frames back up to the next keyframe, which it asks the caller for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Self

from gifcue.client.backoff import Backoff
from gifcue.client.exceptions import (
    ClientError,
    ServerError,
    ServerUnavailable,
    StreamCancelled,
    StreamClosed,
)
from gifcue.client.inbox import Inbox
from gifcue.client.participant import KeyframeCallback
from gifcue.client.rejoining import ReconnectingParticipant
from gifcue.client.stream import ReactionStream
from gifcue.media.codecs import Codec
from gifcue.protocol.events import Disconnected, Draining, Event, KeyframeRequested, Ready, Statistics


class ReconnectingStream:
    """Made by `ReactionClient.reconnecting` and used with `async with`, as `ReactionStream` is.

    `events()` yields a `Disconnected` for every connection lost and a `Ready` for every new one, and raises
    only where another attempt would not help. Statistics are those of the connection that holds.
    """

    def __init__(
        self,
        open_stream: Callable[[], ReactionStream],
        backoff: Backoff,
        on_keyframe_request: KeyframeCallback | None = None,
        wait_for_server: bool = False,
    ) -> None:
        self._open_stream = open_stream
        self._backoff = backoff
        self._on_keyframe_request = on_keyframe_request
        self._wait_for_server = wait_for_server
        self._participants: dict[str, ReconnectingParticipant] = {}
        self._inbox = Inbox()
        self._ready: Ready | None = None
        self._current: ReactionStream | None = None
        self._connected = asyncio.Event()
        self._closing = asyncio.Event()
        self._error: BaseException | None = None
        self._runner: asyncio.Task[None] | None = None
        self._connections = 0

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="gifcue-reconnecting")
        try:
            await self.wait_connected()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self._stop()

    @property
    def ready(self) -> Ready:
        """What the server said first, on the latest connection."""
        if self._ready is None:
            raise StreamClosed("expected a stream that has been open, got one that never was")
        return self._ready

    @property
    def connected(self) -> bool:
        """True while a connection holds."""
        return self._current is not None

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return self._connections

    async def wait_connected(self) -> None:
        """Returns once a connection holds; raises where none ever will."""
        await self._connected.wait()
        if self._inbox.ended and self._current is None:
            raise self._error or StreamClosed("expected a connection, got the end of the stream")

    async def join(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes = b"",
        allowed_labels: Iterable[str] = (),
        on_keyframe_request: KeyframeCallback | None = None,
    ) -> ReconnectingParticipant:
        """As `ReactionStream.join`; repeated on every new connection."""
        participant = ReconnectingParticipant(
            participant_id, codec, extradata, allowed_labels, on_keyframe_request, self._forget, self._over
        )
        self._participants[participant_id] = participant
        if self._current is not None:
            try:
                await participant.attach(self._current)
            except ClientError:
                participant.detach()  # the connection has just gone; the next one will have it
        return participant

    async def statistics(self) -> Statistics:
        """The books of the connection that holds; ServerUnavailable while none does."""
        if self._current is None:
            raise ServerUnavailable("UNAVAILABLE", "expected a connection, got none at the moment")
        return await self._current.statistics()

    def events(self) -> AsyncIterator[Event]:
        """Everything that the servers say, Ready first on every connection. One reader at a time."""
        return self._inbox.events()

    async def half_close(self) -> None:
        """Nothing more comes from this side; `events()` ends once the server has finished."""
        self._closing.set()
        if self._current is not None:
            await self._current.half_close()

    async def close(self) -> None:
        """Half-closes and waits for the end; raises what ended the stream where that is an error."""
        await self.half_close()
        if self._runner is not None:
            await asyncio.wait({self._runner})
        if self._error is not None:
            raise self._error

    async def _stop(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner})

    def _forget(self, participant: ReconnectingParticipant) -> None:
        if self._participants.get(participant.id) is participant:
            del self._participants[participant.id]

    def _over(self) -> BaseException | None:
        if not self._inbox.ended and not self._closing.is_set():
            return None
        return self._error or StreamClosed("expected an open stream, got one that this side has closed")

    async def _run(self) -> None:
        error: BaseException | None = StreamCancelled("CANCELLED", "by this side")
        try:
            error = await self._connect_again_and_again()
        except Exception as problem:  # a caller's callback failed
            error = problem
        finally:
            self._error = error
            self._inbox.end(error)
            self._connected.set()

    async def _connect_again_and_again(self) -> BaseException | None:
        attempt = 0
        while True:
            before = self._connections
            lost: ServerError | None = None
            try:
                await self._one_connection()
            except ServerError as error:
                lost = error
            except StreamClosed:
                pass  # the server ended it, with OK, before everybody had joined
            if self._closing.is_set():
                return lost
            problem = lost or ServerUnavailable("UNAVAILABLE", "the server ended the stream")
            if self._connections > before:
                attempt = 0
            elif self._connections == 0 and not self._wait_for_server:
                return problem
            attempt += 1
            limit = self._backoff.max_attempts
            if not problem.retryable or (limit is not None and attempt > limit):
                return problem
            delay_s = self._backoff.delay_s(attempt)
            self._inbox.put(Disconnected(str(problem), attempt, delay_s))
            if not await self._wait(delay_s):
                return None

    async def _wait(self, delay_s: float) -> bool:
        """Waits before the next attempt; False where this side closes meanwhile."""
        sleeping = asyncio.ensure_future(self._backoff.sleep(delay_s))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({sleeping, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            closing.cancel()
        return not self._closing.is_set()

    async def _one_connection(self) -> None:
        async with self._open_stream() as stream:
            again = self._connections > 0
            self._connections += 1
            self._ready = stream.ready
            self._current = stream
            try:
                for participant in tuple(self._participants.values()):
                    if self._participants.get(participant.id) is participant:
                        await participant.attach(stream)
                        if again:
                            self._announce(participant.resume())
                self._connected.set()
                if self._closing.is_set():
                    await stream.half_close()
                async for event in stream.events():
                    if isinstance(event, KeyframeRequested) and self._on_keyframe_request is not None:
                        self._on_keyframe_request(event)
                    self._inbox.put(event)
                    if isinstance(event, Draining):
                        self._detach()  # frames sent from now on would only be dropped
            finally:
                self._current = None
                self._connected.clear()
                self._detach()

    def _announce(self, request: KeyframeRequested) -> None:
        if self._on_keyframe_request is not None:
            self._on_keyframe_request(request)
        self._inbox.put(request)

    def _detach(self) -> None:
        for participant in self._participants.values():
            participant.detach()
