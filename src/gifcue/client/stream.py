"""One bidirectional stream to a gifcue server.

Two tasks own the call: a writer, which empties the outbox, and a reader, which fills the inbox. Nobody else
touches it, and no time limit is put around a read or a write: in grpc.aio both would end the call or leak it.
Limits stand beside the tasks and cancel the call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from gifcue.client.convert import config_of, event_of, join_of
from gifcue.client.ending import Ending
from gifcue.client.exceptions import (
    ClientError,
    ServerTimeout,
    StreamCancelled,
    StreamClosed,
)
from gifcue.client.inbox import Inbox
from gifcue.client.options import ConnectionOptions, StreamOptions
from gifcue.client.outbox import Outbox
from gifcue.client.participant import KeyframeCallback, Participant
from gifcue.media.codecs import Codec
from gifcue.protocol.events import Event, KeyframeRequested, Ready, Statistics
from gifcue.v1 import reaction_service_pb2
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest


class ReactionStream:
    """Made by `ReactionClient.open` and used with `async with`.

    Entering sends the configuration and waits for the server's Ready. Leaving half-closes, waits for the
    server to finish what is in flight and to end the call, and raises what its status says; events that came
    meanwhile can still be iterated over. Leaving with an exception cancels the call instead.
    """

    def __init__(
        self,
        stub: Any,
        options: StreamOptions,
        connection: ConnectionOptions,
        on_keyframe_request: KeyframeCallback | None = None,
    ) -> None:
        self._stub = stub
        self._options = options
        self._connection = connection
        self._on_keyframe_request = on_keyframe_request
        self._outbox: Outbox[StreamReactionsRequest] = Outbox(connection.outbox_bytes)
        self._inbox = Inbox()
        self._participants: dict[str, Participant] = {}
        self._asked: deque[asyncio.Future[Statistics]] = deque()
        self._first = asyncio.Event()  # set by the Ready, and by the end where there was none
        self._ready: Ready | None = None
        self._error: BaseException | None = None
        self._call: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._call is not None:
            raise StreamClosed("expected a stream to be entered once, got a second time: open another one")
        self._call = self._stub.StreamReactions(metadata=self._connection.metadata or None)
        self._outbox.append(config_of(self._options), 0)
        self._reader = asyncio.create_task(self._read(), name="gifcue-reader")
        self._writer = asyncio.create_task(self._write(), name="gifcue-writer")
        first = asyncio.create_task(self._first.wait())
        try:
            await asyncio.wait({first}, timeout=self._connection.open_timeout_s)
            if self._ready is None:
                raise self._error or ServerTimeout(
                    "DEADLINE_EXCEEDED",
                    f"expected the server's ready within {self._connection.open_timeout_s:g} s, got none",
                )
        except BaseException:
            await self.cancel()
            raise
        finally:
            first.cancel()
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
        """What the server said first: its limits, its model and its reactions."""
        if self._ready is None:
            raise StreamClosed("expected an open stream, got one that was never entered")
        return self._ready

    @property
    def ended(self) -> bool:
        """True once the call is over."""
        return self._inbox.ended

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the network; a sender that watches it can drop before it is late."""
        return self._outbox.buffered_bytes

    async def join(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes = b"",
        allowed_labels: Iterable[str] = (),
        on_keyframe_request: KeyframeCallback | None = None,
    ) -> Participant:
        """A participant's video starts. What is wrong with it comes back as a `Fault`.

        `extradata` is the codec's own header (avcC, hvcC), empty where every keyframe carries it. Only
        `allowed_labels` can become reactions; with none, nothing is decoded.
        """
        await self.room(0)
        self.post(join_of(participant_id, codec, extradata, allowed_labels), len(extradata))
        participant = Participant(self, participant_id, codec, on_keyframe_request)
        self._participants[participant_id] = participant
        return participant

    async def statistics(self) -> Statistics:
        """The stream's books as of when the server reads the question: all that was sent before counts."""
        await self.room(0)
        answer: asyncio.Future[Statistics] = asyncio.get_running_loop().create_future()
        self.post(StreamReactionsRequest(statistics=reaction_service_pb2.StatisticsRequest()), 0)
        self._asked.append(answer)
        return await answer

    def events(self) -> AsyncIterator[Event]:
        """Everything that the server says, Ready first. Ends as the call ends: quietly on OK, else raises."""
        return self._inbox.events()

    async def half_close(self) -> None:
        """Nothing more comes from this side. Returns once all is written; the server then ends the call."""
        self._outbox.close()
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def close(self) -> None:
        """Half-closes and waits `close_timeout_s` for the server to end; raises what its status says."""
        if self._reader is None:
            return
        self._outbox.close()
        try:
            await asyncio.wait({self._reader}, timeout=self._connection.close_timeout_s)
            if not self._reader.done():
                self._end(
                    ServerTimeout(
                        "DEADLINE_EXCEEDED",
                        "expected the server to end the stream within "
                        f"{self._connection.close_timeout_s:g} s of the half-close, got nothing",
                    )
                )
        finally:
            await self.cancel()
        if self._error is not None:
            raise self._error

    async def cancel(self) -> None:
        """Ends the call at once, whatever is under way. Never raises for the call's own sake."""
        self._end(StreamCancelled("CANCELLED", "by this side"))
        if self._call is not None:
            self._call.cancel()
        tasks = {task for task in (self._reader, self._writer) if task is not None}
        if tasks:
            await asyncio.wait(tasks)

    # Used by participants.

    async def room(self, size_bytes: int) -> None:
        """Waits until the outbox takes `size_bytes` more."""
        await self._outbox.room(size_bytes)

    def post(self, request: StreamReactionsRequest, size_bytes: int) -> None:
        """Appends to the outbox; raises what ended the stream where it has ended."""
        if self._inbox.ended and self._error is not None:
            raise self._error
        if self._outbox.closed or self._writer is None:
            raise StreamClosed("expected an open stream, got one that this side or the server has closed")
        self._outbox.append(request, size_bytes)

    def forget(self, participant: Participant) -> None:
        """The participant left: requests for a keyframe no longer reach it."""
        if self._participants.get(participant.id) is participant:
            del self._participants[participant.id]

    # The two tasks.

    async def _write(self) -> None:
        try:
            while (request := await self._outbox.take()) is not None:
                await self._call.write(request)
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the call is over; the reader learns why
        except asyncio.CancelledError:
            if _cancelled():
                raise
        finally:
            self._outbox.abort()

    async def _read(self) -> None:
        ending = Ending(self._call)
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._receive(response)
            self._end(ending.error(grpc.StatusCode.OK, ""))
        except grpc.aio.AioRpcError as error:
            self._end(ending.error(error.code(), error.details()))
        except asyncio.CancelledError:
            self._end(StreamCancelled("CANCELLED", "by this side"))
            if _cancelled():
                raise
        except Exception as error:  # a caller's callback failed: the stream ends and tells so
            self._end(error)
            self._call.cancel()

    def _receive(self, response: reaction_service_pb2.StreamReactionsResponse) -> None:
        event = event_of(response)
        if event is None:
            return
        if isinstance(event, Statistics):
            if self._asked:
                answer = self._asked.popleft()
                if not answer.done():
                    answer.set_result(event)
            return
        if isinstance(event, Ready):
            self._ready = event
            self._first.set()
        elif isinstance(event, KeyframeRequested):
            participant = self._participants.get(event.participant_id)
            if participant is not None:
                participant.keyframe_requested(event)
            if self._on_keyframe_request is not None:
                self._on_keyframe_request(event)
        self._inbox.put(event)

    def _end(self, error: BaseException | None) -> None:
        """The call is over: everybody who waits for it learns so. The first one to say so is right."""
        if self._inbox.ended:
            return
        self._error = error
        self._inbox.end(error)
        self._first.set()
        self._outbox.abort()
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(
                    error or ClientError("expected the statistics, got the end of the stream before them")
                )
                answer.exception()  # seen: nobody may be left to await it
        self._asked.clear()


def _cancelled() -> bool:
    """Whether this very task was cancelled; grpc.aio raises CancelledError when only the call was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
