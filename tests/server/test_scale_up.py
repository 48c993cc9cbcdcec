"""After a scale-up: a share of a full server's streams moves to a new one, and the frames of everybody are analysed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from gifcue.client import Draining, ReactionClient, ReactionStream, StreamOptions
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.sending import send_in_step
from tests.support.waiting import TIMEOUT_S, until

ROOMS = 6


async def serve_room(
    opened: AsyncExitStack, client: ReactionClient, room: str, clip: EncodedClip
) -> ReactionStream:
    """Opens a room's stream, and sends the clip of its participant."""
    stream = await opened.enter_async_context(client.open(StreamOptions(room_id=room)))
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
    await send_in_step(stream, alice, clip.packets)
    return stream


async def until_drained(stream: ReactionStream) -> bool:
    """Whether the server has asked to move, once it has ended the stream."""
    return any([isinstance(event, Draining) async for event in stream.events()])


async def test_half_of_the_streams_move_to_the_new_server_and_none_is_refused(settings: Settings) -> None:
    clip = encode(colour_frames(RED, 2), Codec.H264, 5.0)
    # The old server is full: what moves finds room on the new one alone.
    limits = settings.limits.model_copy(update={"max_participants": ROOMS})
    full = settings.model_copy(update={"limits": limits})
    async with AsyncExitStack() as opened:
        old = await opened.enter_async_context(Server(full, detector_target=TARGET))
        client = await opened.enter_async_context(ReactionClient(f"127.0.0.1:{old.listen_port}"))
        operator = await opened.enter_async_context(ReactionClient(f"127.0.0.1:{old.operator_port}"))
        streams = {
            f"room-{number}": await serve_room(opened, client, f"room-{number}", clip)
            for number in range(ROOMS)
        }
        new = await opened.enter_async_context(Server(full, detector_target=TARGET))
        there = await opened.enter_async_context(ReactionClient(f"127.0.0.1:{new.listen_port}"))

        drained = await operator.drain(0.5, deadline_ms=round(TIMEOUT_S * 1000))
        assert (drained.streams, drained.remaining) == (3, 3)
        told = {room: asyncio.create_task(until_drained(stream)) for room, stream in streams.items()}
        await until(lambda: sum(task.done() for task in told.values()) == 3)
        moved = [room for room, task in told.items() if task.done()]
        assert all(told[room].result() for room in moved)
        for room in moved:
            await serve_room(opened, there, room, clip)

        counts = [server.engine.statistics() for server in (old, new)]
        assert [each.sessions for each in counts] == [3, 3]
        assert [each.frames.analysed for each in counts] == [2 * ROOMS, 2 * 3]
        assert [sum(each.frames.dropped.values()) for each in counts] == [0, 0]
        assert old._streams.refused == new._streams.refused == {}
        # The old server has room again.
        streams["late"] = await serve_room(opened, client, "late", clip)
        for task in told.values():
            task.cancel()
