"""Mutated frames of WebSocket: messages as in `tests.fuzz.wire`, cut, nested, oversized, in frames of any kind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct

import grpc

from tests.chaos.server import Server
from tests.fuzz.mutate import blind
from tests.fuzz.tally import Tally
from tests.fuzz.wire import EXPECTED, MESSAGES, mutated, request
from tests.support.silent_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    silent_websocket,
)

# The server waits a second for an answer to its close frame, which this side never gives.
STREAMS = 16
END_S = 20.0
CUT_S = 3.0
_CODES = {4000 + code.value[0]: code for code in grpc.StatusCode}
# A client that gives up, and one that says with a close code of its own that it does.
_ENDS = EXPECTED | {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}


async def batch(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    """Some connections at once; each is read to its end."""
    await asyncio.gather(
        *(_stream(server, number, random.Random(chance.random()), tally) for _ in range(STREAMS))
    )


async def _stream(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    _, port = server.http_address
    sent = 0
    try:
        async with asyncio.timeout(END_S), silent_websocket(port) as client:
            reading = asyncio.create_task(client.read_to_the_end())
            # The server may have ended the stream by then.
            with contextlib.suppress(ConnectionError):
                for index in range(MESSAGES):
                    await client.send_raw(_frames(index, chance))
                    sent += 1
                await client.send_raw(frame(b"", CLOSE))
            # Where a frame was announced and not sent, the close frame is taken for a part of it.
            if not (await asyncio.wait({reading}, timeout=CUT_S))[0]:
                client.writer.write_eof()
            got = await reading
    except TimeoutError:
        tally.defect(f"no end of a stream within {END_S:g} s of its first message", "websocket", number)
        return
    finally:
        tally.packets["websocket"] += sent
    closes = [payload for opcode, payload in got if opcode == CLOSE]
    if not closes:
        # What this side still wrote met a closed connection, whose reset overtook the close frame.
        tally.outcomes["websocket without a close frame"] += 1
        return
    code, reason = struct.unpack("!H", closes[0][:2])[0], closes[0][2:].decode(errors="replace")
    status = _CODES.get(code)
    tally.outcomes[f"websocket {code if status is None else status.name}"] += 1
    if status not in _ENDS:
        tally.defect(f"a stream ended with {code}: {reason}", "websocket", number)


def _frames(index: int, chance: random.Random) -> bytes:
    message = request(index, chance).SerializeToString()
    if chance.random() < 0.02:
        message = mutated(message, chance)
    if index == 0 or chance.random() < 0.95:
        return frame(message)
    match chance.randrange(8):
        case 0:  # in fragments, with a ping between them
            middle = chance.randrange(len(message) + 1)
            parts = frame(message[:middle], last=False), frame(message[middle:], CONTINUATION)
            return parts[0] + frame(b"ping", PING) + parts[1]
        case 1:
            return frame(chance.randbytes(chance.randrange(126)), chance.choice((PING, PONG)))
        case 2:
            return frame(message, chance.choice((BINARY, TEXT, CONTINUATION, CLOSE, 0x3, 0xB)))
        case 3:
            return frame(message, reserved=chance.randrange(8))
        case 4:
            return frame(message, last=False)
        case 5:  # a length that does not follow
            return frame(b"")[:1] + struct.pack("!BQ", 0xFF, chance.choice((0, 1 << 20, 1 << 33, 2**64 - 1)))
        case 6:
            return frame(message)[: chance.randrange(1, 20)]
        case _:
            return blind(frame(message), (), chance)
