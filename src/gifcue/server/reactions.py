"""The servicer of ReactionService: one coroutine writes, one task reads, and a watchdog stands beside them.

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
from gifcue.detect.regions import flatten
from gifcue.engine.engine import Engine
from gifcue.engine.session import Session
from gifcue.errors import ConfigError, GifcueError
from gifcue.server import convert
from gifcue.server.outbox import Outbox, StatisticsAnswer
from gifcue.server.settings import ServerSettings
from gifcue.v1 import reaction_service_pb2, reaction_service_pb2_grpc

log = structlog.get_logger()

Request = reaction_service_pb2.StreamReactionsRequest
Response = reaction_service_pb2.StreamReactionsResponse
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ends, and why in words."""

    code: grpc.StatusCode
    details: str = ""


FINISHED = Ending(grpc.StatusCode.OK)


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
            ending = await stream.run()
        finally:
            self._streams.discard(stream)
            self._closed_holding_dropped += stream.holding_dropped
        if ending.code is not grpc.StatusCode.OK:
            await context.abort(ending.code, ending.details)

    async def AnnotateImage(
        self, request: reaction_service_pb2.AnnotateImageRequest, context: Context
    ) -> reaction_service_pb2.AnnotateImageResponse:
        """See protos/gifcue/v1/reaction_service.proto."""
        try:
            still = await self._engine.annotate(request.image)
        except GifcueError as error:
            await context.abort(grpc.StatusCode[error.status], str(error))
        thresholds = still.model.thresholds
        if request.min_score > 0:
            thresholds = dict.fromkeys(still.model.labels, request.min_score)
        found = flatten(still.regions, thresholds)
        return reaction_service_pb2.AnnotateImageResponse(
            annotations=[
                reaction_service_pb2.Annotation(
                    label=each.label, score=each.score, box=convert.box_message(each.box)
                )
                for each in sorted(found, key=lambda each: -each.score)
            ],
            model=convert.model_message(still.model),
            width=still.width,
            height=still.height,
        )

    @property
    def holding_dropped(self) -> int:
        """HOLDING events that gave way to newer ones or to the bound, on all streams so far."""
        return self._closed_holding_dropped + sum(stream.holding_dropped for stream in self._streams)

    async def drain(self, timeout_s: float) -> None:
        """Tells every stream, lets what is in flight finish, ends them all with OK; after `timeout_s` regardless."""
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
        self._ending: Ending | None = None
        self._done = asyncio.Event()

    async def run(self) -> Ending:
        """Serves the call to its end."""
        reader = asyncio.create_task(self._read(), name="stream reader")
        watchdog = asyncio.create_task(self._watch(), name="stream watchdog")
        try:
            await self._write()
        finally:
            for task in (reader, watchdog):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self._session is not None:
                self._engine.close_session(self._session)
                log.info("stream closed", session=self._session.session_id, status=self._status)
            self._done.set()
        if self._outbox.is_overrun:
            return Ending(grpc.StatusCode.RESOURCE_EXHAUSTED, "expected a client that reads what it is sent")
        return self._ending or FINISHED

    @property
    def holding_dropped(self) -> int:
        return self._outbox.dropped_holding

    @property
    def _status(self) -> str:
        return str((self._ending or FINISHED).code.name)

    async def drain(self, timeout_s: float) -> None:
        """Ends the stream once nothing is in flight, or after `timeout_s`."""
        if self._session is not None:
            self._session.drain(int(timeout_s * 1000))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._session.settled(), timeout_s)
            self._session.finish("draining")
        self._end(FINISHED)
        await self._done.wait()

    def _end(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
        self._outbox.close()

    async def _write(self) -> None:
        while (item := await self._outbox.get()) is not None:
            await self._context.write(convert.response_of(item))

    async def _read(self) -> None:
        try:
            async for request in self._requests:
                self._last_read_s = self._clock()
                ending = self._take(request)
                if ending is not None:
                    self._end(ending)
                    return
            if self._session is not None:
                # The client has said all it wants to say; it still gets what follows from it.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._session.settled(), self._settings.drain_timeout_s)
                self._session.finish("left")
            self._end(FINISHED)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A bug of ours must end this stream alone, and be seen.
            log.exception("stream failed", session=self._session.session_id if self._session else "")
            self._end(Ending(grpc.StatusCode.INTERNAL, f"{type(error).__name__} while reading the stream"))

    async def _watch(self) -> None:
        timeout_s = self._settings.idle_timeout_s
        while timeout_s > 0:
            idle_s = self._clock() - self._last_read_s
            if idle_s >= timeout_s:
                message = f"expected a message at least every {timeout_s:g} s"
                self._end(Ending(grpc.StatusCode.DEADLINE_EXCEEDED, message))
                return
            await asyncio.sleep(timeout_s - idle_s)

    def _take(self, request: Request) -> Ending | None:
        """Acts on one message; returns how the stream ends where the protocol is broken."""
        kind = request.WhichOneof("message")
        if self._session is None:
            if kind != "config":
                message = f"expected `config` as the first message, got `{kind or 'an empty message'}`"
                return Ending(grpc.StatusCode.FAILED_PRECONDITION, message)
            return self._open(request.config)
        if kind == "frame":
            self._session.frame(convert.frame_of(request.frame))
        elif kind == "frames":
            for frame in request.frames.frames:
                self._session.frame(convert.frame_of(frame))
        elif kind == "participant":
            return self._update(request.participant)
        elif kind == "statistics":
            self._outbox.put(StatisticsAnswer(self._session.statistics()))
        elif kind == "config":
            message = "expected `config` exactly once, got a second one"
            return Ending(grpc.StatusCode.FAILED_PRECONDITION, message)
        else:
            message = "expected one of `participant`, `frame`, `frames`, `statistics`, got an empty message"
            return Ending(grpc.StatusCode.INVALID_ARGUMENT, message)
        return None

    def _open(self, config: reaction_service_pb2.StreamConfig) -> Ending | None:
        has_speaking = config.HasField("speaking_suppresses_hands")
        try:
            self._session = self._engine.open_session(
                room_id=config.room_id,
                client_name=config.client_name,
                preset=config.preset,
                send_holding=config.send_holding,
                send_decisions=config.send_decisions,
                sink=self._outbox,
                speaking_suppresses_hands=config.speaking_suppresses_hands if has_speaking else None,
                subject=convert.subject_of(config.subject),
            )
        except ConfigError as error:
            return Ending(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        log.info("stream opened", session=self._session.session_id, client=config.client_name)
        self._outbox.put(self._ready(self._session))
        return None

    def _ready(self, session: Session) -> Response:
        limits = self._engine.limits
        return Response(
            ready=reaction_service_pb2.StreamReady(
                limits=reaction_service_pb2.EffectiveLimits(
                    max_participants=limits.max_participants_per_stream,
                    max_frame_bytes=limits.max_frame_bytes,
                    max_pixels=self._engine.max_pixels,
                    max_fps=limits.max_fps,
                    max_buffered_bytes=limits.max_buffered_bytes,
                    idle_timeout_ms=int(self._settings.idle_timeout_s * 1000),
                ),
                model=convert.model_message(self._engine.model),
                reaction_labels=session.reaction_labels,
                server_version=__version__,
                session_id=session.session_id,
                preset=session.preset,
            )
        )

    def _update(self, update: reaction_service_pb2.ParticipantUpdate) -> Ending | None:
        session = self._session
        assert session is not None  # `_take` has seen to it
        match update.WhichOneof("update"):
            case "join":
                join = update.join
                session.join(
                    update.participant_id,
                    convert.codec_of(join.codec),
                    join.extradata,
                    list(join.allowed_labels),
                )
            case "speaking":
                session.speaking(update.participant_id, update.speaking.speaking)
            case "allowed":
                session.allow(update.participant_id, list(update.allowed.labels))
            case "leave":
                session.leave(update.participant_id)
            case _:
                message = "participant: expected one of `join`, `speaking`, `allowed`, `leave`, got none"
                return Ending(grpc.StatusCode.INVALID_ARGUMENT, message)
        return None
