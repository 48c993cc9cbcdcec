"""What a caller says while its participants are attached to a new connection whose outbox is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from gifcue.client import Backoff, Codec, ServerError
from gifcue.client.participant import Participant
from gifcue.client.queues import Outbox
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.protocol.requests import AllowedLabels, EncodedFrame, Join, Leave, Speaking
from gifcue.protocol.resume import ParticipantState, RoomState
from gifcue.protocol.wire.requests import decode_request, encode_request
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest
from tests.support.waiting import until

FULL = 1000


class Connection:
    """A stream whose outbox is full until the test takes something out of it."""

    def __init__(self, *, is_full: bool) -> None:
        self.outbox: Outbox[StreamReactionsRequest] = Outbox(FULL)
        if is_full:
            self.outbox.append(StreamReactionsRequest(), FULL + 1)
        # A server that takes nothing over.
        self.ready: Any = SimpleNamespace(features=())
        self._over = asyncio.Event()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def join(
        self,
        name: str,
        codec: Codec,
        extradata: bytes,
        labels: Iterable[str],
        on_keyframe_request: Any = None,
        resume: ParticipantState | None = None,
    ) -> Participant:
        request = encode_request(Join(name, codec, extradata, tuple(labels)))
        await self.outbox.room(0)
        self.outbox.append(request, 0)
        return Participant(name, codec, self.outbox, on_keyframe_request, lambda _: None, ())

    async def half_close(self) -> None:
        self._over.set()

    async def events(self) -> AsyncIterator[Any]:
        await self._over.wait()
        return
        yield

    async def sent(self) -> list[object]:
        """Makes room, and returns what the server gets."""
        await self.outbox.take()
        messages: list[object] = []
        for _ in range(20):
            await asyncio.sleep(0)
        self.outbox.close()
        while (message := await self.outbox.take()) is not None:
            messages.append(decode_request(message))
        return messages


class Connections:
    """A route along given connections."""

    def __init__(self, connections: Iterable[Connection]) -> None:
        self._connections = iter(connections)

    has_other = False

    async def next(self, resume: RoomState) -> Any:
        return next(self._connections)

    def opened(self) -> None:
        pass

    def held(self) -> None:
        pass

    def draining(self) -> None:
        pass

    def failed(self, problem: ServerError) -> None:
        pass

    def pause_s(self, attempt: int) -> float:
        return 0.0

    def close(self) -> None:
        pass


Change = Callable[[ReconnectingParticipant], Awaitable[None]]


async def withdraw(alice: ReconnectingParticipant) -> None:
    await alice.set_allowed(["wave"])


async def withdraw_twice(alice: ReconnectingParticipant) -> None:
    await alice.set_allowed(["wave"])
    await alice.set_allowed([])


async def speak(alice: ReconnectingParticipant) -> None:
    await alice.set_speaking(True)


async def leave(alice: ReconnectingParticipant) -> None:
    await alice.set_allowed([])
    await alice.leave()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (withdraw, [AllowedLabels("alice", ("wave",))]),
        (withdraw_twice, [AllowedLabels("alice", ())]),
        (speak, [Speaking("alice", True)]),
        (leave, [Leave("alice")]),
    ],
)
async def test_what_is_said_during_a_reconnection_reaches_the_server(
    change: Change, expected: list[object]
) -> None:
    connections = [Connection(is_full=False), Connection(is_full=True)]
    stream = ReconnectingStream(Connections(connections), Backoff(sleep=no_sleep))
    async with stream:
        alice = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        await connections[0].half_close()
        await until(lambda: stream.connections == 2)
        # The join waits for room in the outbox.
        await asyncio.sleep(0)
        await change(alice)
        sent = await connections[1].sent()
        assert sent == [Join("alice", Codec.VP8, b"", ("smile",)), *expected]
        await connections[1].half_close()
        await stream.half_close()


async def test_the_later_of_two_joins_is_the_later_one_at_the_server() -> None:
    connections = [Connection(is_full=False), Connection(is_full=True)]
    stream = ReconnectingStream(Connections(connections), Backoff(sleep=no_sleep))
    async with stream:
        await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        await connections[0].half_close()
        await until(lambda: stream.connections == 2)
        await asyncio.sleep(0)
        again = asyncio.create_task(stream.join("alice", Codec.H264, allowed_labels=["wave"]))
        sent = await connections[1].sent()
        await again
        assert [each.codec for each in sent if isinstance(each, Join)] == [Codec.VP8, Codec.H264]
        await connections[1].half_close()
        await stream.half_close()


async def test_a_join_that_is_cancelled_while_it_waits_is_forgotten() -> None:
    connections = [Connection(is_full=True), Connection(is_full=True)]
    stream = ReconnectingStream(Connections(connections), Backoff(sleep=no_sleep))
    async with stream:
        # The first one waits for room, and the second one for the first.
        joins = [asyncio.create_task(stream.join(name, Codec.VP8)) for name in ("alice", "bob", "carol")]
        await asyncio.sleep(0)
        for each in joins[:2]:
            each.cancel()
        await asyncio.wait(joins[:2])
        assert [each.cancelled() for each in joins[:2]] == [True, True]
        assert await connections[0].sent() == [Join("carol", Codec.VP8, b"", ())]
        await joins[2]
        await connections[0].half_close()
        await until(lambda: stream.connections == 2)
        assert await connections[1].sent() == [Join("carol", Codec.VP8, b"", ())]
        await connections[1].half_close()
        await stream.half_close()


async def test_the_join_before_one_that_is_cancelled_is_in_force() -> None:
    connections = [Connection(is_full=False), Connection(is_full=False)]
    stream = ReconnectingStream(Connections(connections), Backoff(sleep=no_sleep))
    vp8 = Join("alice", Codec.VP8, b"", ())
    async with stream:
        first = await stream.join("alice", Codec.VP8)
        outbox = connections[0].outbox
        assert decode_request(outbox.take_first()) == vp8
        outbox.append(StreamReactionsRequest(), FULL + 1)
        # The second one waits for room, and the third one for the second.
        joins = [asyncio.create_task(stream.join("alice", codec)) for codec in (Codec.H264, Codec.AV1)]
        await asyncio.sleep(0)
        for each in joins:
            each.cancel()
        await asyncio.wait(joins)
        outbox.take_first()
        assert await first.send(b"k", pts=1, keyframe=True) == 0
        assert decode_request(outbox.take_first()) == EncodedFrame("alice", 0, 1, 90_000, True, b"k")
        # The next connection attaches it.
        await connections[0].half_close()
        await until(lambda: stream.connections == 2 and first.is_attached)
        assert outbox.first is None
        assert decode_request(connections[1].outbox.take_first()) == vp8
        await connections[1].half_close()
        await stream.half_close()


async def test_the_join_before_one_that_is_cancelled_is_repeated_where_it_is_not_in_force() -> None:
    connection = Connection(is_full=False)
    stream = ReconnectingStream(Connections([connection]), Backoff(sleep=no_sleep))
    async with stream:
        first = await stream.join("alice", Codec.VP8)
        first.refuse(is_unknown=False)
        connection.outbox.append(StreamReactionsRequest(), FULL + 1)
        second = asyncio.create_task(stream.join("alice", Codec.H264))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
        connection.outbox.take_first()
        connection.outbox.take_first()
        await until(lambda: first.is_attached)
        assert decode_request(connection.outbox.take_first()) == Join("alice", Codec.VP8, b"", ())
        await connection.half_close()
        await stream.half_close()


async def no_sleep(delay_s: float) -> None:
    await asyncio.sleep(0)
