"""Puts frames that wait to be written together into one message: it costs both sides less than a message a frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gifcue.client.queues import Outbox
from gifcue.protocol.events import Limits
from gifcue.v1.reaction_service_pb2 import Frames, StreamReactionsRequest

# Bytes of a frame in a message beside its payload: its other fields, with a name of at most 128 bytes.
ENVELOPE_BYTES = 256
# Participants of a stream from which on frames wait for each other. With fewer, a wait brings hardly two together, and
# costs as much as it saves.
MIN_PARTICIPANTS = 16


class FrameBatches:
    """Takes the requests of an outbox in their order, and joins frames that follow each other.

    A frame waits `wait_s` for others where `participants` says that enough send. One event loop, one reader.
    """

    def __init__(
        self,
        outbox: Outbox[StreamReactionsRequest],
        wait_s: float,
        participants: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outbox = outbox
        self._wait_s = wait_s
        self._participants = participants
        self._sleep = sleep
        # A server that has stated no limits gets one frame a message.
        self._max_frames = 1
        self._max_bytes = 0

    def limit(self, limits: Limits) -> None:
        """What one message may hold, as the server states it."""
        self._max_frames = limits.max_frames_per_message
        self._max_bytes = limits.max_message_bytes

    async def take(self) -> StreamReactionsRequest | None:
        """The next message; None once the outbox is closed and empty."""
        taken = await self._outbox.take()
        if taken is None or self._max_frames < 2 or not taken.HasField("frame"):
            return taken
        if self._wait_s > 0.0 and self._participants() >= MIN_PARTICIPANTS and not self._outbox.is_closed:
            await self._sleep(self._wait_s)
        room_bytes = self._max_bytes - len(taken.frame.payload) - ENVELOPE_BYTES
        frames = [taken.frame]
        while len(frames) < self._max_frames:
            following = self._outbox.first
            # Only neighbours are joined, so that an update keeps its place between the frames.
            if following is None or not following.HasField("frame"):
                break
            room_bytes -= len(following.frame.payload) + ENVELOPE_BYTES
            if room_bytes < 0:
                break
            frames.append(following.frame)
            self._outbox.take_first()
        return taken if len(frames) == 1 else StreamReactionsRequest(frames=Frames(frames=frames))
