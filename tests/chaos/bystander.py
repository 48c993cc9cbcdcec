"""A participant who does nothing wrong, and what an attack on others costs it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import grpc

from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from gifcue.v1 import reaction_service_pb2
from tests.chaos.streams import Request, Response, Stream, frame, join, now_s
from tests.support.stream_model import StreamModel, Violations

FPS = 30
KEYFRAME_EVERY = 60
# A decision that came later than this counts as one that never came.
NEVER_S = 60.0
# How long the frames in flight at the end may take.
SETTLE_S = 10.0


@functools.cache
def own_clip() -> EncodedClip:
    """Ten seconds of a face under a moving camera: some picture of every quarter of a second is analysed."""
    from gifcue.protocol.codecs import Codec

    return encode(photo_frames(10.0, FPS, motion="always"), Codec.H264, FPS, keyframe_interval=KEYFRAME_EVERY)


@dataclass(slots=True)
class Bystander:
    """Streams a clip in real time on a stream of its own and notes when decisions come.

    `async with Bystander(target) as bystander`. Answers a request for a keyframe as an encoder does: the clip
    goes on at its next keyframe. A stream that ends is opened again at once, as a media server would. Each of its
    streams is compared with the model (`tests.support.stream_model`).
    """

    target: str
    name: str = "bystander"
    sent_s: dict[int, float] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    decided_s: list[float] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    # Of all its streams: what was against the model, reactions that STARTED, how many were accounted for at the end.
    violations: Violations = field(default_factory=Violations)
    reactions: int = 0
    accounted_streams: int = 0
    slow_downs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    _model: StreamModel = field(default_factory=StreamModel)
    _task: asyncio.Task[None] | None = None
    _stop: bool = False
    _jump: bool = False
    _sequence: int = 0
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(own_clip)
        self._task = asyncio.create_task(self._run(), name=self.name)
        while not self.decided_s:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def stop_soon(self) -> None:
        """Opens no further stream."""
        self._stop = True

    async def stop(self) -> None:
        """Sends no more, asks for the outcome of every frame and ends its stream."""
        self._stop = True
        if self._task is not None:
            await self._task

    def p95_ms(self, since_s: float, until_s: float) -> float:
        """The 95th percentile of the latency of frames decided upon between two times; infinity without any."""
        chosen = sorted(
            latency
            for at, latency in zip(self.decided_s, self.latencies_s, strict=True)
            if since_s <= at <= until_s
        )
        return chosen[math.ceil(0.95 * len(chosen)) - 1] * 1000 if chosen else math.inf

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without any decision between two times."""
        times = [since_s, *(at for at in self.decided_s if since_s < at < until_s), until_s]
        return max(after - before for before, after in itertools.pairwise(times))

    async def _run(self) -> None:
        while not self._stop:
            self._model = StreamModel()
            self._answered.clear()
            async with Stream(self.target, room_id=self.name, on_response=self._hear) as stream:
                await self._stream(stream)
                if stream.ended.is_set() and not self._stop:
                    self.endings.append(stream.status.name if stream.status else "")
            self._model.ended(is_ok=stream.status is grpc.StatusCode.OK)
            self.violations.extend(self._model.violations)
            self.faults.update(self._model.faults)
            self.reactions += self._model.reactions.started.total()
            if not self._stop:
                await asyncio.sleep(0.1)

    async def _stream(self, stream: Stream) -> None:
        clip = own_clip()
        if not await self._send(stream, join(self.name, "H264", clip.extradata)):
            return
        began_s, index, place = now_s(), 0, 0
        while not self._stop and not stream.ended.is_set():
            due_s = began_s + index / FPS
            await asyncio.sleep(max(0.0, due_s - now_s()))
            if self._jump:
                self._jump = False
                place = next((at for at in range(place, len(clip.packets)) if clip.packets[at].keyframe), 0)
            packet = clip.packets[place % len(clip.packets)]
            self._sequence += 1
            self.sent_s[self._sequence] = now_s()
            message = frame(
                self.name, self._sequence, index * 90_000 // FPS, packet.payload, keyframe=packet.keyframe
            )
            if not await self._send(stream, Request(frame=message)):
                return
            index, place = index + 1, (place + 1) % len(clip.packets)
        await self._account(stream)

    async def _account(self, stream: Stream) -> None:
        """Asks until every frame has its outcome, then half-closes and reads to the end."""
        until_s = now_s() + SETTLE_S
        while now_s() < until_s and not stream.ended.is_set():
            self._answered.clear()
            await self._send(stream, Request(statistics=reaction_service_pb2.StatisticsRequest()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), max(0.0, until_s - now_s()))
            if self._answered.is_set() and not self._model.in_flight:
                self.accounted_streams += 1
                await stream.half_close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.ended.wait(), SETTLE_S)
                return
            await asyncio.sleep(0.05)

    async def _send(self, stream: Stream, request: Request) -> bool:
        # The model first: an answer may come before `send` returns.
        self._model.sent(request)
        return await stream.send(request)

    def _hear(self, response: Response) -> None:
        self._model.heard(response)
        match response.WhichOneof("message"):
            case "decision":
                at_s = now_s()
                sent_s = self.sent_s.pop(response.decision.sequence, None)
                if sent_s is not None:
                    self.decided_s.append(at_s)
                    self.latencies_s.append(min(NEVER_S, at_s - sent_s))
            case "control":
                self._jump = self._jump or response.control.WhichOneof("control") == "keyframe"
                self.slow_downs += response.control.WhichOneof("control") == "slow_down"
            case "statistics":
                self._answered.set()
            case _:
                pass
