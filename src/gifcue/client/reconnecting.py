"""A stream that reconnects when its connection is lost, or when the server drains.

It connects again with backoff and repeats the configuration and every join, with what goes on from the server before
(`gifcue.client.carried`). Each participant's frames are then left out until the next keyframe, which the caller is
asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Self

from gifcue.client.attachments import Attachments
from gifcue.client.attempts import Attempts
from gifcue.client.continuity import Continuity
from gifcue.client.exceptions import (
    AccessDenied,
    ClientError,
    ServerError,
    ServerUnavailable,
    StreamCancelled,
    StreamClosed,
)
from gifcue.client.options import Backoff
from gifcue.client.participant import KeyframeCallback
from gifcue.client.queues import Inbox
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.client.rejoining import Rejoining
from gifcue.client.route import Route
from gifcue.client.stream import ReactionStream
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Disconnected, Draining, Event, Fault, Reaction, Ready
from gifcue.protocol.statistics import Statistics

# Seconds that a draining server gets to finish what is in flight: its frames are dropped meanwhile. Also where less is
# left until its deadline, since it says its last at the deadline.
DRAIN_PATIENCE_S = 1.0


class ReconnectingStream:
    """Made by `ReactionClient.reconnecting` and used with `async with`, as `ReactionStream` is.

    `events()` yields a `Disconnected` for every lost connection and a `Ready` for every new one. For each participant
    and label, STARTED and ENDED alternate whatever becomes of the servers: a reaction under way goes on at the next
    server, and ends with the reason "stream_lost" where none goes on with it.

    A participant whose join is refused for lack of room, or whose server does not know it, joins again by itself, after
    pauses that grow from 2 s to 30 s. One with a codec or extradata that the server does not take joins again on the
    next connection, and once on this one where the refusal may be of a join before. Its frames are left out meanwhile.
    `events()` yields the `Fault` of every refusal.

    `events()` raises only where another attempt cannot help. Where a token was refused, it tries once with a newer one,
    if there is one. Statistics are those of the current connection.
    """

    def __init__(
        self,
        route: Route,
        backoff: Backoff,
        wait_for_server: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds."""
        self._route = route
        self._backoff = backoff
        self._wait_for_server = wait_for_server
        self._attempts = Attempts(route, clock)
        self._inbox = Inbox()
        self._continuity = Continuity(self._inbox, clock)
        self._attachments = Attachments(self._continuity, self._inbox, self._end_error, clock)
        self._ready: Ready | None = None
        self._current: ReactionStream | None = None
        self._latest: ReactionStream | None = None  # opened last, whether it connected or not
        self._connected = asyncio.Event()  # set while a connection holds, and once none will
        self._closing = asyncio.Event()
        self._rejoining = Rejoining(self._attachments, self._continuity, backoff, self._closing, clock)
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
        """The server's first message on the latest connection."""
        if self._ready is None:
            raise StreamClosed("expected a stream that has been open, got one that never was")
        return self._ready

    @property
    def connected(self) -> bool:
        """True while a connection holds."""
        return self._current is not None

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return self._connections

    async def wait_connected(self) -> None:
        """Returns once a connection holds; raises where none ever will."""
        await self._connected.wait()
        if self._inbox.has_ended and self._current is None:
            raise self._error or StreamClosed("expected a connection, got the end of the stream")

    async def join(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes = b"",
        allowed_labels: Iterable[str] = (),
        on_keyframe_request: KeyframeCallback | None = None,
    ) -> ReconnectingParticipant:
        """As `ReactionStream.join`; repeated on every new connection. A call that is cancelled has not joined.

        On a new connection, frames are held back until a keyframe. It is asked for at once, and with the frames that
        come until then once a second.
        """
        participant = ReconnectingParticipant(
            participant_id,
            codec,
            extradata,
            allowed_labels,
            on_keyframe_request,
            self._attachments,
        )
        self._attachments.add(participant)
        try:
            if self._current is None or not self._rejoining.holds(participant, self._current):
                await self._attachments.attach(participant)
        except ClientError:
            participant.detach()  # the connection was lost; the next one attaches it
        except asyncio.CancelledError:
            before = participant.abandon()  # nobody has it, so nobody could let it leave
            if before is not None and self._current is not None:
                self._rejoining.restored(before, self._current)
            raise
        participant.settle()
        return participant

    async def statistics(self) -> Statistics:
        """The frame accounting of the current connection.

        Raises:
            ServerUnavailable: there is no connection at the moment.
        """
        if self._current is None:
            raise ServerUnavailable("UNAVAILABLE", "expected a connection, got none at the moment")
        return await self._current.statistics()

    def events(self) -> AsyncIterator[Event]:
        """All events of the servers, `Ready` first on every connection. One reader at a time."""
        return self._inbox.events()

    async def half_close(self) -> None:
        """Ends this side's half of the stream; `events()` ends once the server has finished."""
        self._closing.set()
        if self._current is not None:
            await self._current.half_close()

    async def close(self) -> None:
        """Half-closes and waits for the end; raises the error that ended the stream, if any."""
        await self.half_close()
        if self._runner is not None:
            await asyncio.wait({self._runner})
        if self._error is not None:
            raise self._error

    async def _stop(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner})

    def _end_error(self) -> BaseException | None:
        """What `send` raises once the stream is over; None while it is not."""
        if not self._inbox.has_ended and not self._closing.is_set():
            return None
        return self._error or StreamClosed("expected an open stream, got one that this side has closed")

    # The task that connects

    async def _run(self) -> None:
        error: BaseException | None = StreamCancelled("CANCELLED", "by this side")
        try:
            error = await self._connect_until_over()
        except Exception as problem:  # raised by a caller's callback: it ends the stream
            error = problem
        finally:
            self._route.close()
            self._continuity.give_up()
            # The error before the event: a caller in `wait_connected` reads it when it wakes.
            self._error = error
            self._inbox.end(error)
            self._connected.set()

    async def _connect_until_over(self) -> BaseException | None:
        """Connects again and again; returns the error that ends the stream, None where this side closed it."""
        has_renewed = False
        while True:
            before = self._connections
            lost: ServerError | None = None
            try:
                await self._one_connection()
            except ServerError as error:
                lost = error
            except StreamClosed:
                pass  # the server ended the call with OK before every participant had joined
            if self._closing.is_set():
                return lost
            problem = lost or ServerUnavailable("UNAVAILABLE", "the server ended the stream")
            self._attempts.failed(problem)
            if self._connections > before:
                has_renewed = False
            # Once, until a connection holds again: a provider that signs with a wrong key has a newer token each time.
            can_renew = not has_renewed and await self._has_newer_token(problem)
            has_renewed = has_renewed or can_renew
            can_repeat = self._wait_for_server or can_renew or self._route.has_other
            if before == self._connections == 0 and not can_repeat:
                return problem
            attempt, limit = self._attempts.next(), self._backoff.max_attempts
            if not (problem.retryable or can_renew) or (limit is not None and attempt > limit):
                return problem
            delay_s = self._route.pause_s(attempt)
            self._inbox.put(Disconnected(str(problem), attempt, delay_s))
            await self._backoff.wait(delay_s, self._closing)
            if self._closing.is_set():
                return None

    async def _has_newer_token(self, problem: ServerError) -> bool:
        """Whether a token was refused, and there is a newer one."""
        # PERMISSION_DENIED is not a matter of time: who may not enter a room is known, and may not enter it later.
        if not isinstance(problem, AccessDenied) or problem.code != "UNAUTHENTICATED":
            return False
        return self._latest is not None and await self._latest.has_newer_token()

    async def _one_connection(self) -> None:
        """Connects, attaches every participant, and passes events on until the connection ends."""
        self._latest = await self._route.next(self._continuity.room())
        async with self._latest as stream:
            self._attempts.opened()
            is_new = self._connections > 0
            self._connections += 1
            self._ready = stream.ready
            # Before the participants are attached: one that joins meanwhile is attached by `join`.
            self._current = stream
            self._attachments.use(stream)
            try:
                for participant in self._attachments.all:
                    if await self._attachments.attach(participant) and is_new:
                        participant.resume()
                self._continuity.goes_on()
                self._connected.set()
                if self._closing.is_set():
                    await stream.half_close()
                async for event in stream.events():
                    self._hear(event, stream)
            finally:
                self._current = None
                self._connected.clear()
                self._rejoining.stop()
                self._attachments.detach()
                self._continuity.lost()

    def _hear(self, event: Event, stream: ReactionStream) -> None:
        if isinstance(event, Reaction):
            self._continuity.heard(event)
            return
        self._inbox.put(event)
        if isinstance(event, Fault):
            self._rejoining.heard(event, stream)
        elif isinstance(event, Draining):
            self._attempts.draining()
            self._attachments.detach()  # the server drops frames that are sent from now on
            # It may take longer for what is in flight, or hang. The participants join elsewhere then: not before, since
            # what is in flight may start or end a reaction.
            why = f"expected the server to end the stream within {DRAIN_PATIENCE_S:g} s of its drain"
            asyncio.get_running_loop().call_later(DRAIN_PATIENCE_S, stream.abandon, why)
