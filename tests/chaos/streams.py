"""The public wire protocol, spoken by hand: an attacker sends what a client library would refuse to send."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import grpc.aio

from gifcue.v1 import media_pb2, reaction_service_pb2, reaction_service_pb2_grpc

Request = reaction_service_pb2.StreamReactionsRequest
Response = reaction_service_pb2.StreamReactionsResponse

MESSAGE_BYTES = 256 * 1024 * 1024


def channel_to(target: str) -> grpc.aio.Channel:
    """A connection of its own."""
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )


def join(
    participant_id: str, codec: str, extradata: bytes = b"", labels: tuple[str, ...] = ("smile",)
) -> Request:
    """The join of a participant; `codec` as in `CODEC_<codec>`."""
    return Request(
        participant=reaction_service_pb2.ParticipantUpdate(
            participant_id=participant_id,
            join=reaction_service_pb2.Join(
                codec=media_pb2.Codec.Value(f"CODEC_{codec}"), extradata=extradata, allowed_labels=labels
            ),
        )
    )


def leave(participant_id: str) -> Request:
    """The end of a participant's video."""
    return Request(
        participant=reaction_service_pb2.ParticipantUpdate(
            participant_id=participant_id, leave=reaction_service_pb2.Leave()
        )
    )


def frame(
    participant_id: str, sequence: int, pts: int, payload: bytes, *, keyframe: bool = False
) -> media_pb2.Frame:
    """One access unit, by the RTP clock of video."""
    return media_pb2.Frame(
        participant_id=participant_id,
        sequence=sequence,
        pts=pts,
        clock_hz=90_000,
        keyframe=keyframe,
        payload=payload,
    )


@dataclass(slots=True)
class Stream:
    """One call of StreamReactions. `async with Stream(target) as stream` sends the configuration.

    Everything that the server says goes to `on_response` as it comes; `status` and `details` are set once the call
    has ended.
    """

    target: str
    room_id: str = "chaos"
    on_response: Callable[[Response], None] = lambda _: None
    status: grpc.StatusCode | None = None
    details: str = ""
    answers: Counter[str] = field(default_factory=Counter)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _channel: Any = None
    _call: Any = None
    _reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._channel = channel_to(self.target)
        self._call = reaction_service_pb2_grpc.ReactionServiceStub(self._channel).StreamReactions()
        self._reader = asyncio.create_task(self._read(), name="chaos reader")
        await self.send(
            Request(
                config=reaction_service_pb2.StreamConfig(
                    room_id=self.room_id, client_name="chaos", send_decisions=True
                )
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=5.0)
        await self._channel.close()

    async def send(self, request: Request) -> bool:
        """False where the call is over."""
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return False
        return True

    async def half_close(self) -> None:
        """Nothing more comes from this side."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.done_writing()

    async def break_off(self) -> None:
        """Closes the connection under the call."""
        await self._channel.close(grace=None)

    async def _read(self) -> None:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                kind = response.WhichOneof("message")
                if kind == "ready":
                    self.ready.set()
                elif kind == "fault":
                    name = reaction_service_pb2.FaultCode.Name(response.fault.code)
                    self.answers[f"fault {name.removeprefix('FAULT_CODE_')}"] += response.fault.count
                self.on_response(response)
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        finally:
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                self.status = await self._call.code()
                self.details = await self._call.details() or ""
                if self.status is not None:
                    self.answers[f"stream {self.status.name}"] += 1
            self.ended.set()


async def annotate(target: str, image: bytes, timeout_s: float = 30.0) -> grpc.StatusCode:
    """The status of one AnnotateImage."""
    channel = channel_to(target)
    try:
        stub = reaction_service_pb2_grpc.ReactionServiceStub(channel)
        await stub.AnnotateImage(reaction_service_pb2.AnnotateImageRequest(image=image), timeout=timeout_s)
        return grpc.StatusCode.OK
    except grpc.aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    finally:
        await channel.close()


def now_s() -> float:
    """Seconds of the harness' clock."""
    return time.monotonic()
