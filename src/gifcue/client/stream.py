"""One bidirectional stream to a gifcue server.

Two tasks own the call. The writer empties the outbox; the reader fills the inbox and learns how the call ends. Two more
watch the time: one cancels the call of a server that says nothing any more, one keeps this side from saying nothing for
too long. No timeout is put around a read or a write, because grpc.aio would then end the call or leak it; time limits
run beside the tasks and cancel the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from gifcue.client.batches import FrameBatches
from gifcue.client.call_status import CallStatus
from gifcue.client.exceptions import (
    ServerTimeout,
    ServerUnavailable,
    StreamCancelled,
    StreamClosed,
)
from gifcue.client.liveness import Liveness
from gifcue.client.options import ConnectionOptions
from gifcue.client.participant import KeyframeCallback, Participant
from gifcue.client.participants import Participants
from gifcue.client.questions import Questions
from gifcue.client.queues import Inbox, Outbox
from gifcue.client.rendezvous import with_room
from gifcue.client.seat import Seat
from gifcue.client.tokens import TokenSource
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Event, Heartbeat, KeyframeRequested, Ready
from gifcue.protocol.requests import Join, StatisticsRequest, StreamOptions
from gifcue.protocol.resume import ParticipantState
from gifcue.protocol.statistics import Statistics
from gifcue.protocol.wire.requests import encode_request
from gifcue.protocol.wire.responses import decode_response
from gifcue.v1.reaction_service_pb2 import Frames, StreamReactionsRequest, StreamReactionsResponse


class ReactionStream:
    """Made by `ReactionClient.open` and used with `async with`.

    Entering sends the configuration and waits for the server's `Ready`. Leaving half-closes, waits for the server to
    finish the frames in flight and to end the call, and raises the error of its status. Events that arrived meanwhile
    can still be iterated over. Leaving with an exception cancels the call instead.
    """

    def __init__(
        self, seat: Seat, options: StreamOptions, connection: ConnectionOptions, tokens: TokenSource
    ) -> None:
        self._seat = seat
        self._options = options
        self._connection = connection
        self._tokens = tokens
        self._token: str | None = None
        self._is_entered = False
        self._outbox: Outbox[StreamReactionsRequest] = Outbox(connection.outbox_bytes)
        self._batches = FrameBatches(self._outbox, connection.batch_s, lambda: len(self._participants))
        self._inbox = Inbox()
        self._participants = Participants(self._outbox)
        self._questions = Questions()
        self._opened = asyncio.Event()  # set by Ready, or by the end of a call that had none
        self._ready: Ready | None = None
        self._error: BaseException | None = None
        self._call: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._liveness = Liveness(self._keep_alive, self.abandon)

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise StreamClosed("expected a stream to be entered once, got a second time: open another one")
        self._is_entered = True
        self._token = await self._tokens.current()
        stub = await self._seat.stub()
        metadata = with_room(self._tokens.metadata(self._token) or (), self._options.room_id)
        self._call = stub.StreamReactions(metadata=metadata or None)
        self._outbox.append(encode_request(self._options), 0)
        self._reader = asyncio.create_task(self._read(), name="gifcue-reader")
        self._writer = asyncio.create_task(self._write(), name="gifcue-writer")
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({opened}, timeout=self._connection.open_timeout_s)
            if self._ready is None:
                why = f"expected the server's ready within {self._connection.open_timeout_s:g} s, got none"
                # Ended with this error, and before `cancel` gives another: it is held against the server.
                self._end(ServerTimeout("DEADLINE_EXCEEDED", why))
                raise self._error or ServerTimeout("DEADLINE_EXCEEDED", why)
        except BaseException:
            await self.cancel()
            raise
        finally:
            opened.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self.cancel()

    @property
    def ready(self) -> Ready:
        """The server's first message: its limits, its model and its reactions."""
        if self._ready is None:
            raise StreamClosed("expected an open stream, got one that was never entered")
        return self._ready

    @property
    def ended(self) -> bool:
        """True once the call is over."""
        return self._inbox.has_ended

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the network. A sender can watch it to drop frames before they are late."""
        return self._outbox.buffered_bytes

    async def join(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes = b"",
        allowed_labels: Iterable[str] = (),
        on_keyframe_request: KeyframeCallback | None = None,
        resume: ParticipantState | None = None,
    ) -> Participant:
        """A participant's video starts. What is wrong with it comes back as a `Fault`.

        `extradata` is the codec's own header (an avcC or hvcC record), empty where every keyframe carries it. Only
        `allowed_labels` can become reactions; with none, nothing is decoded. `on_keyframe_request` is called as soon as
        a request for a keyframe arrives, even while no code iterates over `events()`. An exception that it raises
        ends the stream and is raised by `events()` and `close()`. `resume` is what the participant keeps from another
        server, for servers with the feature "resume".
        """
        request = Join(participant_id, codec, extradata, tuple(allowed_labels), resume)
        await self._send(encode_request(request), len(extradata))
        return self._participants.join(participant_id, codec, on_keyframe_request, self.ready.features)

    async def statistics(self) -> Statistics:
        """The stream's frame accounting when the server reads the request: it covers all that was sent before."""
        await self._send(encode_request(StatisticsRequest()), 0)
        return await self._questions.ask()

    def events(self) -> AsyncIterator[Event]:
        """All events of the server, `Ready` first. Ends when the call ends, with its error unless the status is OK."""
        return self._inbox.events()

    async def has_newer_token(self) -> bool:
        """Whether there is another token than the one with which this stream was opened."""
        return await self._tokens.current() != self._token

    async def half_close(self) -> None:
        """Ends this side's half of the stream. Returns once everything is written; the server then ends the call."""
        self._outbox.close()
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def close(self) -> None:
        """Half-closes and waits up to `close_timeout_s` for the server to end the call.

        Raises:
            ServerError: the call ended with another status than OK, or not in time.
        """
        if self._reader is None:
            return
        self._outbox.close()
        try:
            await asyncio.wait({self._reader}, timeout=self._connection.close_timeout_s)
            if not self._reader.done():
                limit_s = self._connection.close_timeout_s
                why = f"expected the server to end the stream within {limit_s:g} s of the half-close, got nothing"
                self._end(ServerTimeout("DEADLINE_EXCEEDED", why))
        finally:
            await self.cancel()
        if self._error is not None:
            raise self._error

    async def cancel(self) -> None:
        """Ends the call at once and discards what is under way. Never raises the call's own error."""
        # Before the call is cancelled: the reader then finds the stream ended, and this reason stays the first one.
        self._end(StreamCancelled("CANCELLED", "by this side"))
        if self._call is not None:
            self._call.cancel()
        tasks = {task for task in (self._reader, self._writer) if task is not None}
        if tasks:
            await asyncio.wait(tasks)

    async def _send(self, request: StreamReactionsRequest, size_bytes: int) -> None:
        if self._writer is None:
            raise StreamClosed("expected an open stream, got one that was never entered")
        await self._outbox.room(size_bytes)
        self._outbox.append(request, size_bytes)

    # The two tasks

    async def _write(self) -> None:
        try:
            while (request := await self._batches.take()) is not None:
                await self._call.write(request)
                self._liveness.wrote()
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the call is over, and the reader learns why
        except asyncio.CancelledError:
            if _is_cancelling():
                raise
        finally:
            # Senders that wait for room must not wait for a writer that is gone.
            self._outbox.abort()

    async def _read(self) -> None:
        status = CallStatus(self._call)
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._receive(response)
            self._end(status.error(grpc.StatusCode.OK, ""))
        except grpc.aio.AioRpcError as error:
            self._end(status.error(error.code(), error.details()))
        except asyncio.CancelledError:
            if _is_cancelling():
                self._end(StreamCancelled("CANCELLED", "by this side"))
                raise
            # Where this side has cancelled the call, it has ended it before.
            self._end(status.error(grpc.StatusCode.CANCELLED, "the connection was reset"))
        except Exception as error:  # raised by a caller's callback: it ends the stream
            self._end(error)
            self._call.cancel()

    def _receive(self, response: StreamReactionsResponse) -> None:
        self._liveness.heard()
        message = decode_response(response)
        if message is None or isinstance(message, Heartbeat):
            return
        if isinstance(message, Statistics):
            self._questions.answer(message)
            return
        if isinstance(message, Ready):
            self._ready = message
            self._batches.limit(message.limits)
            self._opened.set()
            self._liveness.start(message.limits)
        elif isinstance(message, KeyframeRequested):
            self._participants.keyframe_requested(message)
        self._inbox.put(message)

    def _keep_alive(self) -> None:
        """Sends an empty message, unless another one waits to be written."""
        if self._outbox.first is None and not self._outbox.is_closed:
            self._outbox.append(StreamReactionsRequest(frames=Frames()), 0)

    def abandon(self, why: str) -> None:
        """Takes the server for lost: ends the stream at once, as a lost connection does."""
        self.fail(ServerUnavailable("UNAVAILABLE", why))

    def fail(self, error: BaseException) -> None:
        """Ends the stream at once, with this error."""
        self._end(error)
        if self._call is not None:
            self._call.cancel()

    def _end(self, error: BaseException | None) -> None:
        """The call is over: wakes all that wait for it. Only the first call has an effect.

        The causes of an end overlap: a cancelled call also ends the reader, and a server that ends the call also makes
        the write fail. The first one known is the real one.
        """
        if self._inbox.has_ended:
            return
        # The error first: the tasks that wake below read it.
        self._error = error
        self._inbox.end(error)
        self._seat.ended(error, self._ready is not None)
        self._opened.set()
        self._outbox.abort(error)
        self._liveness.stop()
        self._questions.end(error)


def _is_cancelling() -> bool:
    """Whether this task was cancelled. grpc.aio raises CancelledError also where only the call was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
