"""Frames that are sent together travel in one message, in their order and within the server's limits."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gifcue.client.batches import ENVELOPE_BYTES, MIN_PARTICIPANTS, FrameBatches
from gifcue.client.queues import Outbox
from gifcue.protocol.events import Limits
from gifcue.protocol.requests import EncodedFrame, Leave
from gifcue.protocol.wire.requests import encode_request
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest

LIMITS = Limits(10, 1000, 10_000, 30, 10_000, 0, 10_000, 4, 0, 0)
PAYLOAD_BYTES = 100


def outbox_of(*names: str) -> Outbox[StreamReactionsRequest]:
    """An outbox with a frame of each participant; "-NAME" is its leave."""
    outbox: Outbox[StreamReactionsRequest] = Outbox(1_000_000)
    for number, name in enumerate(names):
        if name.startswith("-"):
            outbox.append(encode_request(Leave(name[1:])), 0)
        else:
            frame = EncodedFrame(name, number, number, 90_000, True, bytes(PAYLOAD_BYTES))
            outbox.append(encode_request(frame), PAYLOAD_BYTES)
    return outbox


def names_of(request: StreamReactionsRequest) -> list[str]:
    match request.WhichOneof("message"):
        case "frame":
            return [request.frame.participant_id]
        case "frames":
            return [frame.participant_id for frame in request.frames.frames]
        case _:
            return ["-" + request.participant.participant_id]


async def messages(outbox: Outbox[StreamReactionsRequest], limits: Limits | None) -> list[list[str]]:
    batches = FrameBatches(outbox, 0.0, lambda: MIN_PARTICIPANTS)
    if limits is not None:
        batches.limit(limits)
    outbox.close()
    taken: list[list[str]] = []
    while (request := await batches.take()) is not None:
        taken.append(names_of(request))
    return taken


@pytest.mark.parametrize(
    ("names", "limits", "expected"),
    [
        pytest.param("abc", LIMITS, [["a", "b", "c"]], id="together"),
        pytest.param("abcde", LIMITS, [["a", "b", "c", "d"], ["e"]], id="frames a message"),
        pytest.param(
            "abc",
            replace(LIMITS, max_message_bytes=2 * (PAYLOAD_BYTES + ENVELOPE_BYTES)),
            [["a", "b"], ["c"]],
            id="bytes a message",
        ),
        pytest.param(
            "ab", replace(LIMITS, max_frames_per_message=0), [["a"], ["b"]], id="a server without batches"
        ),
        pytest.param("ab", None, [["a"], ["b"]], id="before the server's limits"),
        pytest.param(
            ["a", "-a", "b", "c"], LIMITS, [["a"], ["-a"], ["b", "c"]], id="an update keeps its place"
        ),
    ],
)
async def test_frames_that_wait_travel_together(
    names: list[str], limits: Limits | None, expected: list[list[str]]
) -> None:
    outbox = outbox_of(*names)
    assert await messages(outbox, limits) == expected
    assert outbox.buffered_bytes == 0


async def test_a_message_of_the_greatest_batch_keeps_the_limit_of_bytes() -> None:
    name = "n" * 128
    outbox: Outbox[StreamReactionsRequest] = Outbox(1_000_000)
    for number in range(20):
        frame = EncodedFrame(name, 2**63 + number, 2**62, 10**9, True, bytes(PAYLOAD_BYTES), 270, 7)
        outbox.append(encode_request(frame), PAYLOAD_BYTES)
    batches = FrameBatches(outbox, 0.0, lambda: MIN_PARTICIPANTS)
    batches.limit(replace(LIMITS, max_message_bytes=2000, max_frames_per_message=512))
    outbox.close()
    sizes = []
    while (request := await batches.take()) is not None:
        sizes.append(request.ByteSize())
    assert len(sizes) < 20
    assert max(sizes) <= 2000


async def test_a_frame_waits_where_many_send() -> None:
    waits: list[float] = []
    outbox = outbox_of("a")
    participants = MIN_PARTICIPANTS - 1

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        outbox.append(encode_request(EncodedFrame("b", 0, 0, 90_000, True, b"x")), 1)

    batches = FrameBatches(outbox, 0.005, lambda: participants, sleep)
    batches.limit(LIMITS)
    request = await batches.take()
    assert request is not None
    assert (names_of(request), waits) == (["a"], [])
    participants = MIN_PARTICIPANTS
    outbox.append(encode_request(EncodedFrame("a", 1, 0, 90_000, True, b"x")), 1)
    request = await batches.take()
    assert request is not None
    assert (names_of(request), waits) == (["a", "b"], [0.005])


async def test_nothing_is_waited_for_once_the_stream_is_closed() -> None:
    async def sleep(_: float) -> None:
        raise AssertionError("expected no wait")

    outbox = outbox_of("a", "b")
    outbox.close()
    batches = FrameBatches(outbox, 0.005, lambda: MIN_PARTICIPANTS, sleep)
    batches.limit(LIMITS)
    async with asyncio.timeout(5.0):
        request = await batches.take()
    assert request is not None
    assert names_of(request) == ["a", "b"]
