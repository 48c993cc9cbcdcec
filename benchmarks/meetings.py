"""Meetings of the client library's own streams, which reconnect, and what each participant saw.

Unlike `benchmarks.sender`, which measures capacity, this uses the client library, whose streams are what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from gifcue.client import (
    Backoff,
    Codec,
    Disconnected,
    FrameDecided,
    Phase,
    Reaction,
    ReactionClient,
    Ready,
    ReconnectingParticipant,
    ReconnectingStream,
    StreamOptions,
)
from gifcue.client.exceptions import ClientError
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import MOVING_S, photo_frames

LABEL = "smile"


def smiling(fps: float, size: tuple[int, int] = (640, 360)) -> EncodedClip:
    """The photograph, which smiles, always in motion, with a keyframe each half second. It can be repeated."""
    frames = photo_frames(2 * MOVING_S, fps, *size, motion="always")
    return encode(frames, Codec.H264, fps, keyframe_interval=max(1, round(fps / 2)))


@dataclass
class Seen:
    """What one participant saw. Times are those of `time.monotonic`."""

    name: str
    decided_s: list[float] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(
        default_factory=list
    )  # when, and milliseconds since it was sent
    steps: list[tuple[float, Phase, str, str]] = field(
        default_factory=list
    )  # when, phase, reaction, end reason
    sent_on: dict[str, int] = field(default_factory=dict)  # frames sent, by the session of the connection

    def longest_pause_s(self, since_s: float, until_s: float) -> float:
        """The longest time without an analysed frame, from the last one before `since_s` on."""
        before = max((at_s for at_s in self.decided_s if at_s <= since_s), default=since_s)
        times = [before, *(at_s for at_s in self.decided_s if since_s < at_s < until_s), until_s]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def mistakes(self) -> list[str]:
        """Where STARTED and ENDED do not alternate. Call it once the stream is over."""
        found, running = [], ""
        for _, phase, reaction, _ in self.steps:
            if phase is Phase.STARTED:
                if running:
                    found.append(f"{self.name}: STARTED while another reaction ran")
                running = reaction
            elif phase is Phase.ENDED:
                if running != reaction:
                    found.append(f"{self.name}: ENDED of a reaction that did not run")
                running = ""
        if running:
            found.append(f"{self.name}: a reaction without ENDED")
        return found

    def count(self, phase: Phase, since_s: float = 0.0) -> int:
        """The steps of this phase since a time."""
        return sum(each is phase and at_s >= since_s for at_s, each, _, _ in self.steps)


class Meeting:
    """One room with participants who smile all the time, on one stream. Used with `async with`."""

    def __init__(
        self,
        client: ReactionClient,
        room: str,
        participants: Sequence[str],
        clip: EncodedClip,
        backoff: Backoff | None = None,
    ) -> None:
        self.room = room
        self.seen = {name: Seen(name) for name in participants}
        self.disconnected: list[Disconnected] = []
        self.sessions: list[str] = []
        self.error: BaseException | None = None
        self._clip = clip
        self._stream = client.reconnecting(
            StreamOptions(room_id=room, client_name="gifcue-benchmark", send_decisions=True),
            backoff,
            wait_for_server=True,
        )
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Meeting:
        self._task = asyncio.create_task(self._run(), name=f"meeting {self.room}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.set()
        if self._task is not None:
            await asyncio.wait({self._task})
            self.error = self._task.exception()

    @property
    def stream(self) -> ReconnectingStream:
        """Its stream."""
        return self._stream

    async def _run(self) -> None:
        async with self._stream as stream:
            receiving = asyncio.create_task(self._receive())
            sending = [
                asyncio.create_task(
                    self._send(
                        await stream.join(name, self._clip.codec, self._clip.extradata, [LABEL]), place
                    )
                )
                for place, name in enumerate(self.seen)
            ]
            try:
                await asyncio.gather(*sending)
                await stream.half_close()
                await receiving
            finally:
                for task in (receiving, *sending):
                    task.cancel()
                await asyncio.wait({receiving, *sending})

    async def _receive(self) -> None:
        async for event in self._stream.events():
            now_s = time.monotonic()
            match event:
                case Ready():
                    self.sessions.append(event.session_id)
                case Disconnected():
                    self.disconnected.append(event)
                case FrameDecided():
                    seen = self.seen[event.participant_id]
                    seen.decided_s.append(now_s)
                case Reaction():
                    self.seen[event.participant_id].steps.append(
                        (now_s, event.phase, event.reaction_id, event.end_reason)
                    )

    async def _send(self, participant: ReconnectingParticipant, place: int) -> None:
        """Sends the clip again and again in real time, and goes on at a keyframe where one is asked for."""
        packets, seen = self._clip.packets, self.seen[participant.id]
        ticks = packets[0].clock_hz / self._clip.fps
        # Participants neither send nor move at the same time.
        number, position = 0, (place * 7) % len(packets)
        due_s = time.monotonic() + place / len(self.seen) / self._clip.fps
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                    await self._ending.wait()
                    return
            due_s += 1.0 / self._clip.fps
            while participant.keyframe_wanted and not packets[position].keyframe:
                position = (position + 1) % len(packets)
            packet = packets[position]
            session_id = self._stream.ready.session_id
            try:
                sequence = await participant.send(
                    packet.payload, round(number * ticks), packet.clock_hz, packet.keyframe
                )
            except ClientError:
                return  # the stream is over, and `_receive` raises why
            if sequence is not None:
                seen.sent_on[session_id] = sequence + 1
            number, position = number + 1, (position + 1) % len(packets)
