"""Mutated messages of StreamReactions: bytes that protobuf can read or not, in orders that make sense or not."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct

import grpc
import grpc.aio

from gifcue.v1 import media_pb2, reaction_service_pb2
from tests.chaos.raw_http2 import STREAM_REACTIONS
from tests.chaos.server import Server
from tests.chaos.streams import Request, channel_to
from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import blind
from tests.fuzz.tally import Tally

STREAMS, MESSAGES = 4, 40
END_S = 20.0
# Statuses with which a server may end a stream of broken messages. INTERNAL and UNKNOWN would be defects.
EXPECTED = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
# What grpc.aio says of a call, in place of its status, where a message was written after the server had ended it.
WRITE_FAILED = "Internal error from Core"
_NAMES = ("", "a", "alice", "bob", "\0", "é" * 64, "n" * 129, "%s{}", "../..", "a\nb")
_LABELS = ("smile", "wave", "thumbs_up", "nothing", "", "x" * 200)
_NUMBERS = (0, 1, 2, 90_000, 2**31 - 1, 2**32 - 1)


async def batch(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    """Some streams of mutated messages on one connection; each is read to its end."""
    async with channel_to(server.target) as channel:
        for _ in range(STREAMS):
            await _stream(channel, number, chance, tally)


async def _stream(channel: grpc.aio.Channel, number: int, chance: random.Random, tally: Tally) -> None:
    # Bytes in, bytes out: no message is checked on this side.
    call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(STREAM_REACTIONS)()
    sent = 0
    try:
        async with asyncio.timeout(END_S):
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                reader = asyncio.create_task(_read(call))
                for index in range(MESSAGES):
                    message = request(index, chance).SerializeToString()
                    if chance.random() < 0.15:
                        message = mutated(message, chance)
                    await call.write(message)
                    sent += 1
                await call.done_writing()
                await reader
            status = await call.code()
            details = await call.details()
    except TimeoutError:
        tally.defect(f"no end of a stream within {END_S:g} s of its first message", "wire", number)
        call.cancel()
        return
    finally:
        tally.packets["wire"] += sent
    if details == WRITE_FAILED:
        tally.outcomes["wire ended while this side wrote"] += 1
        return
    tally.outcomes[f"wire {status.name}"] += 1
    if status not in EXPECTED:
        tally.defect(f"a stream ended with {status.name}: {details}", "wire", number)


async def _read(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        while await call.read() is not grpc.aio.EOF:
            pass


def request(index: int, chance: random.Random) -> Request:
    """A message as the protocol has it, with values at and over its limits."""
    request = Request()
    if index == 0 and chance.random() < 0.95:
        request.config.CopyFrom(
            reaction_service_pb2.StreamConfig(
                room_id=chance.choice(_NAMES[:6]),
                client_name="fuzz",
                preset=chance.choice(("", "normal", "careful", "playful", *_NAMES[:1])),
                send_holding=chance.random() < 0.5,
                send_decisions=True,
            )
        )
        # Its numbers, and one that is none of them.
        request.config.subject = chance.choice((*reaction_service_pb2.SubjectPolicy.values(), 7))  # type: ignore[assignment]
        return request
    match chance.choices(
        ("frame", "frames", "update", "statistics", "empty", "config"), (8, 3, 6, 2, 0.1, 0.1)
    )[0]:
        case "frame":
            request.frame.CopyFrom(_frame(chance))
        case "frames":
            request.frames.frames.extend(_frame(chance) for _ in range(chance.choice((0, 1, 5, 40))))
        case "update":
            request.participant.CopyFrom(_update(chance))
        case "statistics":
            request.statistics.SetInParent()
        case "config":
            request.config.SetInParent()
        case _:
            pass
    return request


def _frame(chance: random.Random) -> media_pb2.Frame:
    return media_pb2.Frame(
        participant_id=chance.choice(_NAMES[1:4]) if chance.random() < 0.9 else chance.choice(_NAMES),
        sequence=chance.choice((0, 1, 2, 3, 2**64 - 1, chance.randrange(2**64))),
        pts=chance.choice((0, 3000, -1, 2**63 - 1, -(2**63), chance.randrange(-(2**63), 2**63))),
        clock_hz=chance.choice(_NUMBERS),
        keyframe=chance.random() < 0.5,
        # Decoders are fuzzed elsewhere.
        payload=chance.choice(chance.choice(corpus()).units)
        if chance.random() < 0.1
        else chance.choice((b"", b"x")),
    )


def _update(chance: random.Random) -> reaction_service_pb2.ParticipantUpdate:
    update = reaction_service_pb2.ParticipantUpdate(
        participant_id=chance.choice(_NAMES[1:4]) if chance.random() < 0.8 else chance.choice(_NAMES)
    )
    labels = [chance.choice(_LABELS) for _ in range(chance.choice((0, 1, 2, 50)))]
    match chance.choices(("join", "speaking", "allowed", "leave", "none"), (8, 1, 2, 2, 0.1))[0]:
        case "join":
            update.join.CopyFrom(
                reaction_service_pb2.Join(
                    codec=chance.choice((*range(10), 2**31 - 1)),  # numbers of no codec too
                    extradata=chance.choice((b"", b"\1" * 30, bytes(70_000))),
                    allowed_labels=labels if chance.random() < 0.3 else ["smile"],
                )
            )
        case "speaking":
            update.speaking.speaking = chance.random() < 0.5
        case "allowed":
            update.allowed.labels.extend(labels)
        case "leave":
            update.leave.SetInParent()
        case _:
            pass
    return update


def mutated(message: bytes, chance: random.Random) -> bytes:
    """A message in protobuf's terms: fields twice, of unknown numbers, of wrong types, nested deeply; or any bytes."""
    match chance.randrange(5):
        case 0:
            return message + message
        case 1:
            field = chance.choice((1, 3, 15, 16, 2**29 - 1))
            return message + _varint(field << 3 | chance.randrange(8)) + bytes(chance.randrange(12))
        case 2:
            # A length-delimited field within itself, over and over: protobuf refuses more than 100 levels.
            nested = b""
            for _ in range(chance.choice((10, 99, 101, 500))):
                nested = b"\x1a" + _varint(len(nested)) + nested
            return nested
        case 3:
            return message + b"\x0d" + struct.pack("<I", chance.randrange(2**32))
        case _:
            return blind(message or b"\0", (), chance)


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])
