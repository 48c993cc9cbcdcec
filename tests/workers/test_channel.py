"""Both ends of a channel, over a real socket pair."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gifcue.workers.channel import AsyncChannel, BlockingChannel, ChannelClosed
from gifcue.workers.framing import Kind
from gifcue.workers.messages import InvalidMessage, MessageTypes
from tests.support.waiting import until_changed

ANYTHING = MessageTypes(Any, Any, Any, max_to_front_bytes=8 * 1024 * 1024)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


class Front:
    """The asyncio end of a channel and the frames that it has received."""

    def __init__(self, sock: socket.socket) -> None:
        self.frames: list[tuple[Kind, Any]] = []
        self.closed: list[str] = []
        self.changed = asyncio.Event()
        self.channel = AsyncChannel(sock, ANYTHING, self._on_frame, self._on_closed)

    def _on_frame(self, kind: Kind, body: Any) -> None:
        self.frames.append((kind, body))
        self.changed.set()

    def _on_closed(self, reason: str) -> None:
        self.closed.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        await until_changed(self.changed, condition)


@pytest.fixture
async def front(sockets: tuple[socket.socket, socket.socket]) -> AsyncIterator[Front]:
    front = Front(sockets[0])
    yield front
    front.channel.close()


@pytest.fixture
def child(sockets: tuple[socket.socket, socket.socket]) -> BlockingChannel:
    return open_child(sockets[1])


def open_child(sock: socket.socket) -> BlockingChannel:
    channel = BlockingChannel(sock)
    channel.expect(ANYTHING)
    return channel


async def turn() -> None:
    await asyncio.sleep(0)


async def test_messages_arrive_in_order_both_ways(front: Front, child: BlockingChannel) -> None:
    for number in range(1000):
        front.channel.send(number)
    assert front.channel.buffered_bytes > 0
    await turn()
    assert front.channel.buffered_bytes == 0
    assert [child.receive() for _ in range(1000)] == list(range(1000))
    child.send("first")
    child.send_all(["second", "third"])
    await front.until(lambda: len(front.frames) == 3)
    assert front.frames == [(Kind.MESSAGE, word) for word in ("first", "second", "third")]


async def test_sending_to_a_busy_child_buffers_and_does_not_block(
    front: Front, child: BlockingChannel
) -> None:
    keyframes = [bytes([number]) * 200_000 for number in range(20)]
    for keyframe in keyframes:
        front.channel.send(keyframe)
    await turn()
    # The kernel accepts a part. The rest is counted.
    assert 1_000_000 < front.channel.buffered_bytes < 20 * 200_100
    received = [await asyncio.to_thread(child.receive) for _ in keyframes]
    assert received == keyframes
    assert front.channel.buffered_bytes == 0


async def test_receive_ready_does_not_wait(front: Front, child: BlockingChannel) -> None:
    assert child.receive_ready() == []
    assert not child.wait(timeout_s=0.0)
    front.channel.send("a")
    front.channel.send(None, Kind.PING)
    front.channel.send("b")
    await turn()
    assert child.wait()
    assert child.receive_ready() == ["a", "b"]
    await front.until(lambda: front.frames == [(Kind.PONG, None)])


async def test_a_ping_is_answered_behind_the_messages_before_it(front: Front, child: BlockingChannel) -> None:
    front.channel.send("work")
    front.channel.send(None, Kind.PING)
    front.channel.send("more work")
    await turn()
    assert child.receive() == "work"
    child.send("done")
    assert child.receive() == "more work"
    await front.until(lambda: len(front.frames) == 2)
    assert front.frames == [(Kind.MESSAGE, "done"), (Kind.PONG, None)]


async def test_finish_ends_the_stream_behind_what_is_buffered(front: Front, child: BlockingChannel) -> None:
    large = b"x" * 2_000_000
    front.channel.send(large)
    front.channel.finish()
    front.channel.send("too late")
    assert await asyncio.to_thread(child.receive) == large
    child.send("answer")
    with pytest.raises(ChannelClosed):
        await asyncio.to_thread(child.receive)
    assert child.receive_ready() == []
    await front.until(lambda: bool(front.frames))
    assert front.frames == [(Kind.MESSAGE, "answer")]
    assert front.closed == []


async def test_the_end_of_the_child_is_reported_once_after_its_messages(
    front: Front, child: BlockingChannel
) -> None:
    child.send("last words")
    child.close()
    await front.until(lambda: bool(front.closed))
    front.channel.send("into the void")
    await turn()
    assert front.frames == [(Kind.MESSAGE, "last words")]
    assert front.closed == [""]
    assert front.channel.buffered_bytes == 0


async def test_buffered_messages_are_lost_when_the_child_dies(front: Front, child: BlockingChannel) -> None:
    front.channel.send(b"x" * 2_000_000)
    await turn()
    child.close()
    await front.until(lambda: front.closed == [""])
    assert front.channel.buffered_bytes == 0


async def test_the_child_is_notified_of_the_fronts_end(front: Front, child: BlockingChannel) -> None:
    front.channel.close()
    with pytest.raises(ChannelClosed):
        child.receive()
    with pytest.raises(ChannelClosed):
        child.send("anybody there?")


async def test_unreadable_data_closes_the_channel_and_is_reported(
    front: Front, sockets: tuple[socket.socket, socket.socket]
) -> None:
    faults: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
    sockets[1].sendall(b"\xff" * 64)
    await front.until(lambda: len(front.closed) == 1)
    assert faults == ["a worker's message does not fit"]
    assert front.closed[0].startswith(
        "sent a message that does not fit: expected a frame of at most 8388608 bytes"
    )


async def test_a_message_that_the_handler_refuses_closes_the_channel(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    seen: list[Any] = []
    closed: list[str] = []
    done = asyncio.Event()

    def on_frame(_: Kind, body: Any) -> None:
        seen.append(body)
        raise InvalidMessage("expected less, got more")

    def on_closed(reason: str) -> None:
        closed.append(reason)
        done.set()

    channel = AsyncChannel(sockets[0], ANYTHING, on_frame, on_closed)
    open_child(sockets[1]).send_all(["bad", "never read"])
    await done.wait()
    channel.drain()
    assert seen == ["bad"]
    assert closed == ["sent a message that does not fit: expected less, got more"]


async def test_an_error_in_a_handler_does_not_lose_the_next_message(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    faults: list[str] = []
    seen: list[Any] = []
    done = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))

    def on_frame(_: Kind, body: Any) -> None:
        if body == "bad":
            raise LookupError
        seen.append(body)
        done.set()

    channel = AsyncChannel(sockets[0], ANYTHING, on_frame, lambda _: None)
    open_child(sockets[1]).send_all(["bad", "good"])
    await done.wait()
    assert (seen, faults) == (["good"], ["a worker's message could not be handled"])
    channel.close()
    channel.close()


async def test_a_message_that_msgpack_cannot_express_is_the_senders_error(
    front: Front, child: BlockingChannel
) -> None:
    with pytest.raises(TypeError):
        front.channel.send(lambda: None)
    front.channel.send("fine")
    await turn()
    assert child.receive() == "fine"
