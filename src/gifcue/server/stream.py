"""One stream, from its first message to its status, over any transport.

Two tasks work on the connection: one reads and acts on what comes, one writes what waits in the outbox. The caller's
own task watches them. It ends the stream where the client is silent for too long or does not read, because neither task
can notice that by itself, and it sends heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import grpc
import structlog

from gifcue.access.refusals import AccessRefused
from gifcue.engine.decisions import decision_details
from gifcue.engine.engine import Engine
from gifcue.engine.session import Session
from gifcue.errors import GifcueError
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.events import Heartbeat
from gifcue.protocol.reasons import LeaveReason
from gifcue.protocol.wire.requests import decode_options
from gifcue.protocol.wire.responses import encode_response
from gifcue.server import call_identity
from gifcue.server.messages import Request, act_on, parse, ready_of
from gifcue.server.outbox import Outbox
from gifcue.server.settings import ServerSettings
from gifcue.server.status_codes import status_of
from gifcue.server.tracing import Tracing
from gifcue.server.transport import (
    CANCELLED,
    DRAINING,
    NOT_READING,
    OK,
    BrokenStream,
    ConnectionLost,
    StreamStatus,
    Transport,
)

log = structlog.get_logger()

# Seconds in which a client gets what still waits for it, where the server ends its stream for what the client does, or
# because it stops itself.
FLUSH_S = 0.5


class Stream:
    """One stream. `run` serves it; `drain` may be called meanwhile. `opened_s` is the clock's time at its start."""

    def __init__(
        self,
        engine: Engine,
        settings: ServerSettings,
        clock: Callable[[], float],
        transport: Transport,
        gif_base_url: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        self._gif_base_url = gif_base_url
        self._tracing = tracing or Tracing()
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._transport = transport
        caller = call_identity.caller.get()
        # Behind a proxy, the connection's address is not the caller's.
        self._address = transport.peer if caller is None else str(caller.peer)
        self._peer = (
            transport.peer if self._address in transport.peer else f"{self._address} via {transport.peer}"
        )
        self._session: Session | None = None
        self.opened_s = self._last_read_s = clock()
        # Since when a write is pending; None while none is.
        self._writing_since_s: float | None = None
        # When the last message was written or a heartbeat was due.
        self._last_sent_s = self.opened_s
        self._status: StreamStatus | None = None
        # By when everything must be written, once the stream has ended.
        self._flush_until_s = float("inf")
        # Wakes the watching task: the stream has ended, or one of the two tasks has.
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._outbox = Outbox(on_close=self._wake.set)
        self._final = CANCELLED

    async def run(self) -> None:
        """Serves the stream to its end, and closes the transport."""
        reader = asyncio.create_task(self._read(), name="stream reader")
        writer = asyncio.create_task(self._write(), name="stream writer")
        is_stuck = False
        try:
            for task in (reader, writer):
                task.add_done_callback(lambda _: self._wake.set())
            is_stuck = await self._watch(writer)
            self._final = self._final_status(is_stuck)
        finally:
            # Nothing is awaited here, so that a further cancellation cannot keep the session open. A task that is
            # cancelled does not run again, but for its own `finally`, and so does not use the closed session.
            reader.cancel()
            writer.cancel()
            self._outbox.close()
            try:
                if self._session is not None:
                    self._engine.close_session(self._session)
            finally:
                self._done.set()
                self._log_end()
        if is_stuck:
            self._transport.abort(self._final)
        await asyncio.wait((reader, writer))
        if not is_stuck:
            await self._transport.close(self._final)

    @property
    def status(self) -> StreamStatus:
        """The status that the client got, once the stream has ended; CANCELLED where the client ended it."""
        return self._final

    @property
    def transport(self) -> Transport:
        """The connection that it is on."""
        return self._transport

    @property
    def session(self) -> Session | None:
        """The session; None before the client's configuration has come."""
        return self._session

    @property
    def holding_dropped(self) -> int:
        """HOLDING events that gave way to newer ones or to the bound."""
        return self._outbox.dropped_holding

    @property
    def details_dropped(self) -> int:
        """Decisions that were sent without their regions and unmet conditions, because the client reads slowly."""
        return self._outbox.dropped_details

    async def drain(self, until_s: float) -> None:
        """Tells the client, and ends the stream once nothing is in flight, or at `until_s` of the clock."""
        if self._session is None:
            self._end(DRAINING, FLUSH_S)
        else:
            # In this order: after `Session.drain` no frame is taken, so `settled` returns. `finish` ends the reactions
            # that the client does not carry further before `_end` closes the outbox, so it still gets their ENDED.
            left_s = max(0.0, until_s - self._clock())
            self._session.drain(int(left_s * 1000))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._session.settled(), left_s)
            self._session.finish(LeaveReason.DRAINING, hands_over=True)
            # A client that reads gets everything. For one that does not, the stream ends soon after the timeout.
            self._end(OK, max(0.0, until_s - self._clock()) + FLUSH_S)
        await self._done.wait()

    def _end(self, status: StreamStatus, flush_s: float) -> None:
        """Ends the stream after what the outbox holds, which has `flush_s` seconds to be written.

        Reader, watching task and drain may all end the stream. The first status is the one that the client gets.
        """
        if self._status is None:
            self._status = status
        self._flush_until_s = min(self._flush_until_s, self._clock() + flush_s)
        self._outbox.close()

    async def _watch(self, writer: asyncio.Task[None]) -> bool:
        """Returns once everything is written, False, or once it never will be, True."""
        idle_timeout_s = self._settings.idle_timeout_s or float("inf")
        while not writer.done():
            self._wake.clear()
            now_s = self._clock()
            if self._outbox.is_overrun:
                self._end(NOT_READING, FLUSH_S)
            idle_s = self._last_read_s + idle_timeout_s - now_s
            if idle_s <= 0 and self._status is None:
                message = f"expected a message at least every {idle_timeout_s:g} s"
                self._end(StreamStatus(grpc.StatusCode.DEADLINE_EXCEEDED, message), FLUSH_S)
            pending_since_s = now_s if self._writing_since_s is None else self._writing_since_s
            beat_s = self._beat(now_s)
            write_s = min(pending_since_s + self._settings.write_timeout_s, self._flush_until_s) - now_s
            if write_s <= 0:
                return True
            with contextlib.suppress(TimeoutError):
                # Infinite waits are cut to a day: the event loop does not take them.
                wait_s = min(write_s, *((idle_s, beat_s) if self._status is None else ()), 86_400.0)
                await asyncio.wait_for(self._wake.wait(), wait_s)
        return False

    def _beat(self, now_s: float) -> float:
        """Sends a heartbeat where one is due; returns the seconds until the next one may be."""
        interval_s = self._settings.heartbeat_interval_s
        if not interval_s or self._session is None:
            return interval_s or float("inf")
        if now_s - self._last_sent_s >= interval_s:
            # Not behind a message that the client has not read: it would tell nothing, and heartbeats would pile up.
            if self._writing_since_s is None and self._outbox.is_empty and self._status is None:
                self._outbox.put(Heartbeat())
            self._last_sent_s = now_s
        return self._last_sent_s + interval_s - now_s

    def _final_status(self, is_stuck: bool) -> StreamStatus:
        if self._outbox.is_overrun or (is_stuck and self._status in (None, OK)):
            return NOT_READING
        return self._status or OK

    async def _write(self) -> None:
        try:
            while (item := await self._outbox.get()) is not None:
                self._last_sent_s = self._writing_since_s = self._clock()
                await self._transport.send(encode_response(item).SerializeToString())
                self._writing_since_s = None
        except ConnectionLost:
            self._end(CANCELLED, 0.0)
        except Exception as error:
            self._fail(error, "writing")

    async def _read(self) -> None:
        try:
            while (data := await self._transport.receive()) is not None:
                self._last_read_s = self._clock()
                status = await self._take(data)
                if status is not None:
                    self._end(status, self._settings.write_timeout_s)
                    return
            if self._session is not None:
                # The client has sent all its messages; it still gets the reactions to them.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._session.settled(), self._settings.drain_timeout_s)
                self._session.finish(LeaveReason.LEFT)
            self._end(OK, self._settings.write_timeout_s)
        except BrokenStream as error:
            self._end(error.status, self._settings.write_timeout_s)
        except ConnectionLost:
            self._end(CANCELLED, 0.0)
        except Exception as error:
            self._fail(error, "reading")

    def _fail(self, error: Exception, doing: str) -> None:
        # A defect must end this stream alone, and be logged.
        details = f"{type(error).__name__} while {doing} the stream"
        self._end(StreamStatus(grpc.StatusCode.INTERNAL, details), FLUSH_S)
        log.error("stream failed", session=self._session_id, peer=self._peer, exc_info=error)

    async def _take(self, data: bytes) -> StreamStatus | None:
        """Acts on one message; returns how the stream ends where the message breaks the protocol."""
        message = parse(data)
        if isinstance(message, StreamStatus):
            return message
        if self._session is None:
            return self._open(message)
        return await act_on(message, self._session, self._outbox, self._tracing)

    def _open(self, message: Request) -> StreamStatus | None:
        kind = message.WhichOneof("message")
        if kind != "config":
            details = f"expected `config` as the first message, got `{kind or 'an empty message'}`"
            return StreamStatus(grpc.StatusCode.FAILED_PRECONDITION, details)
        access = call_identity.stream_access.get()
        try:
            options = decode_options(message.config)
            if access is not None:
                access.require_room(options.room_id)
                access.when_over(self._end_refused)
            session = self._session = self._engine.open_session(
                room_id=options.room_id,
                client_name=options.client_name,
                preset=options.preset,
                send_holding=options.send_holding,
                decisions=decision_details(options),
                sink=self._outbox,
                speaking_suppresses_hands=options.speaking_suppresses_hands,
                subject=options.subject,
                rights=access,
                resume=options.resume,
                peer=self._address,
            )
            self._outbox.put(ready_of(session, self._engine, self._settings, self._gif_base_url))
        except GifcueError as error:
            return StreamStatus(status_of(error).grpc, str(error))
        log.info(
            "stream opened",
            session=session.session_id,
            client=options.client_name,
            peer=self._peer,
        )
        return None

    def _end_refused(self, error: AccessRefused) -> None:
        self._end(StreamStatus(status_of(error).grpc, str(error)), FLUSH_S)

    @property
    def _session_id(self) -> str:
        return self._session.session_id if self._session is not None else ""

    def _log_end(self) -> None:
        counts = FrameCounts() if self._session is None else self._session.frame_counts()
        log.info(
            "stream closed",
            session=self._session_id,
            peer=self._peer,
            status=self._final.code.name,
            duration_s=round(self._clock() - self.opened_s, 3),
            received=counts.received,
            analysed=counts.analysed,
            skipped=sum(counts.skipped.values()),
            dropped=sum(counts.dropped.values()),
            in_flight=counts.in_flight,
        )
