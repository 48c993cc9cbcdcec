"""The servicer of ReactionService. Each stream has one coroutine that writes, one task that reads, and a watchdog.

A read is never wrapped in a timeout and CancelledError is never swallowed: both leak in grpc.aio.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog

from gifcue import __version__
from gifcue.engine.engine import Engine
from gifcue.engine.session import Session
from gifcue.errors import ConfigError
from gifcue.protocol.events import Limits, Ready
from gifcue.protocol.requests import (
    AllowedLabels,
    EncodedFrame,
    FrameBatch,
    Join,
    Leave,
    Speaking,
    StatisticsRequest,
)
from gifcue.protocol.statistics import Statistics
from gifcue.protocol.wire.requests import decode_options, decode_request
from gifcue.protocol.wire.responses import encode_response
from gifcue.server.outbox import Outbox
from gifcue.server.settings import ServerSettings
from gifcue.v1 import reaction_service_pb2, reaction_service_pb2_grpc

log = structlog.get_logger()

Request = reaction_service_pb2.StreamReactionsRequest
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


# Frames of one message. A frame takes some 15 microseconds of the event loop, so that a message takes less than 10 ms.
MAX_FRAMES_PER_MESSAGE = 512


@dataclass(frozen=True, slots=True)
class CallStatus:
    """The gRPC status that a stream ends with, and its details."""

    code: grpc.StatusCode
    details: str = ""


OK = CallStatus(grpc.StatusCode.OK)


class ReactionServicer(reaction_service_pb2_grpc.ReactionServiceServicer):
    """Owns the open streams. `clock` is the engine's, in seconds."""

    def __init__(self, engine: Engine, settings: ServerSettings, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._streams: set[_Stream] = set()
        self._closed_holding_dropped = 0

    async def StreamReactions(self, request_iterator: AsyncIterator[Request], context: Context) -> None:
        """See protos/gifcue/v1/reaction_service.proto."""
        if not self._engine.is_ready:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "expected a server that is ready, it is not yet")
        if len(self._streams) >= self._settings.max_streams:
            message = f"expected at most {self._settings.max_streams} streams at once"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        stream = _Stream(self._engine, self._settings, self._clock, request_iterator, context)
        self._streams.add(stream)
        try:
            status = await stream.run()
        finally:
            self._streams.discard(stream)
            self._closed_holding_dropped += stream.holding_dropped
        if status.code is not grpc.StatusCode.OK:
            await context.abort(status.code, status.details)

    @property
    def holding_dropped(self) -> int:
        """HOLDING events that gave way to newer ones or to the bound, on all streams since the start."""
        return self._closed_holding_dropped + sum(stream.holding_dropped for stream in self._streams)

    async def drain(self, timeout_s: float) -> None:
        """Sends `Draining` on every stream, lets frames in flight finish, and ends the streams with OK.

        After `timeout_s` the streams end with frames in flight.
        """
        if not self._streams:
            return
        streams = [stream.drain(timeout_s) for stream in self._streams]
        await asyncio.gather(*streams)


class _Stream:
    """One call of StreamReactions."""

    def __init__(
        self,
        engine: Engine,
        settings: ServerSettings,
        clock: Callable[[], float],
        requests: AsyncIterator[Request],
        context: Context,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._requests = requests
        self._context = context
        self._outbox = Outbox()
        self._session: Session | None = None
        self._last_read_s = clock()
        self._call_status: CallStatus | None = None
        self._done = asyncio.Event()

    async def run(self) -> CallStatus:
        """Serves the call to its end."""
        reader = asyncio.create_task(self._read(), name="stream reader")
        watchdog = asyncio.create_task(self._watch(), name="stream watchdog")
        try:
            await self._write()
        finally:
            for task in (reader, watchdog):
                task.cancel()
                # The cancellation of the task, which ends here.
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            # After the reader has ended, since it uses the session. `_done` comes last: `drain` waits for it.
            if self._session is not None:
                self._engine.close_session(self._session)
                log.info(
                    "stream closed",
                    session=self._session.session_id,
                    status=(self._call_status or OK).code.name,
                )
            self._done.set()
        if self._outbox.is_overrun:
            return CallStatus(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "expected a client that reads what it is sent"
            )
        return self._call_status or OK

    @property
    def holding_dropped(self) -> int:
        return self._outbox.dropped_holding

    async def drain(self, timeout_s: float) -> None:
        """Ends the stream once nothing is in flight, or after `timeout_s`."""
        # In this order: after `Session.drain` no frame is taken, so `settled` returns. `finish` ends the reactions
        # before `_end` closes the outbox, so the client still gets their ENDED.
        if self._session is not None:
            self._session.drain(int(timeout_s * 1000))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._session.settled(), timeout_s)
            self._session.finish("draining")
        self._end(OK)
        await self._done.wait()

    def _end(self, status: CallStatus) -> None:
        # Reader, watchdog and drain may all end the stream. The first status is the one that the client gets.
        if self._call_status is None:
            self._call_status = status
        self._outbox.close()

    async def _write(self) -> None:
        while (item := await self._outbox.get()) is not None:
            await self._context.write(encode_response(item))

    async def _read(self) -> None:
        try:
            async for request in self._requests:
                self._last_read_s = self._clock()
                status = self._take(request)
                if status is not None:
                    self._end(status)
                    return
            if self._session is not None:
                # The client has sent all its messages; it still gets the reactions to them.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._session.settled(), self._settings.drain_timeout_s)
                self._session.finish("left")
            self._end(OK)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A defect must end this stream alone, and be logged.
            log.exception("stream failed", session=self._session.session_id if self._session else "")
            self._end(
                CallStatus(grpc.StatusCode.INTERNAL, f"{type(error).__name__} while reading the stream")
            )

    async def _watch(self) -> None:
        timeout_s = self._settings.idle_timeout_s
        while timeout_s > 0:
            idle_s = self._clock() - self._last_read_s
            if idle_s >= timeout_s:
                message = f"expected a message at least every {timeout_s:g} s"
                self._end(CallStatus(grpc.StatusCode.DEADLINE_EXCEEDED, message))
                return
            await asyncio.sleep(timeout_s - idle_s)

    def _take(self, message: Request) -> CallStatus | None:
        """Acts on one message; returns how the stream ends where the message breaks the protocol."""
        kind = message.WhichOneof("message")
        session = self._session
        if session is None:
            if kind != "config":
                details = f"expected `config` as the first message, got `{kind or 'an empty message'}`"
                return CallStatus(grpc.StatusCode.FAILED_PRECONDITION, details)
            return self._open(message.config)
        if kind == "config":
            details = "expected `config` exactly once, got a second one"
            return CallStatus(grpc.StatusCode.FAILED_PRECONDITION, details)
        # Before anything is done per frame: a message of the largest size holds a million empty frames.
        count = len(message.frames.frames) if kind == "frames" else 0
        if count > MAX_FRAMES_PER_MESSAGE:
            details = f"frames: expected at most {MAX_FRAMES_PER_MESSAGE} frames in a message, got {count}"
            return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, details)
        match decode_request(message):
            case EncodedFrame() as frame:
                session.frame(frame)
            case FrameBatch() as batch:
                for frame in batch.frames:
                    session.frame(frame)
            case Join() as join:
                session.join(join.participant_id, join.codec, join.extradata, join.allowed_labels)
            case Speaking() as hint:
                session.speaking(hint.participant_id, hint.speaking)
            case AllowedLabels() as allowed:
                session.allow(allowed.participant_id, allowed.labels)
            case Leave() as leave:
                session.leave(leave.participant_id)
            case StatisticsRequest():
                self._outbox.put(Statistics(tuple(session.statistics())))
            case _ if kind == "participant":
                details = "participant: expected one of `join`, `speaking`, `allowed`, `leave`, got none"
                return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, details)
            case _:
                details = (
                    "expected one of `participant`, `frame`, `frames`, `statistics`, got an empty message"
                )
                return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, details)
        return None

    def _open(self, config: reaction_service_pb2.StreamConfig) -> CallStatus | None:
        try:
            options = decode_options(config)
            self._session = self._engine.open_session(
                room_id=options.room_id,
                client_name=options.client_name,
                preset=options.preset,
                send_holding=options.send_holding,
                send_decisions=options.send_decisions,
                sink=self._outbox,
                speaking_suppresses_hands=options.speaking_suppresses_hands,
                subject=options.subject,
                peer=self._context.peer().rpartition(":")[0],
            )
        except ConfigError as error:
            return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        log.info("stream opened", session=self._session.session_id, client=options.client_name)
        self._outbox.put(self._ready(self._session))
        return None

    def _ready(self, session: Session) -> Ready:
        limits = self._engine.limits
        return Ready(
            limits=Limits(
                max_participants=limits.max_participants_per_stream,
                max_frame_bytes=limits.max_frame_bytes,
                max_pixels=self._engine.max_pixels,
                max_fps=limits.max_fps,
                max_buffered_bytes=limits.max_buffered_bytes,
                idle_timeout_ms=int(self._settings.idle_timeout_s * 1000),
            ),
            model=self._engine.model,
            reaction_labels=session.reaction_labels,
            server_version=__version__,
            session_id=session.session_id,
            preset=session.preset,
        )
