"""Streams of people who come, stay some seconds and leave, each in one of the ways in which streams end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections import Counter

import grpc

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from gifcue.v1 import reaction_service_pb2
from tests.chaos.server import Server
from tests.chaos.streams import Request, Stream, frame, join, now_s
from tests.support.damage import flipped
from tests.support.stream_model import StreamModel, Violations

FPS = 15
CODECS = (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG)
SHORTEST_S, LONGEST_S = 1.0, 7.0
MEAN_S = (SHORTEST_S + LONGEST_S) / 2
END_S = 20.0
ASK = Request(statistics=reaction_service_pb2.StatisticsRequest())


@functools.cache
def clip(codec: Codec) -> EncodedClip:
    """Two seconds of the photograph."""
    return encode(photo_frames(2.0, FPS, width=320, height=180, motion="always"), codec, FPS)


class Guests:
    """Counts how streams ended, and what was against the model."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.endings: Counter[str] = Counter()
        self.violations = Violations()

    async def visit(self, number: int, chance: random.Random) -> None:
        """One stream from its start to its end."""
        model = StreamModel()
        stream = Stream(self._server.target, f"room-{number}", model.heard)
        async with stream:
            names = [f"guest-{place}" for place in range(chance.choice((1, 1, 2)))]
            clips = {name: clip(chance.choice(CODECS)) for name in names}
            for name in names:
                await self._join(stream, model, name, clips[name])
            await self._talk(stream, model, clips, chance)
            ending = chance.choice(("half-closed", "left", "cancelled", "broken off", "asked"))
            if ending == "left":
                for name in names:
                    await self._say(stream, model, _leave(name))
            if ending == "asked":
                await self._say(stream, model, ASK)
            if ending in ("half-closed", "left", "asked"):
                await stream.half_close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.ended.wait(), END_S)
                if stream.status is not grpc.StatusCode.OK:
                    name = stream.status.name if stream.status else "no end"
                    self.violations.add("expected a stream that ends with OK", f"{name}: {stream.details}")
                model.ended(is_ok=stream.status is grpc.StatusCode.OK)
            elif ending == "broken off":
                await stream.break_off()
        self.endings[ending] += 1
        self.violations.extend(model.violations)

    async def _join(self, stream: Stream, model: StreamModel, name: str, video: EncodedClip) -> None:
        await self._say(stream, model, join(name, video.codec.name, video.extradata, ("smile", "wave")))

    async def _talk(
        self, stream: Stream, model: StreamModel, clips: dict[str, EncodedClip], chance: random.Random
    ) -> None:
        until_s = now_s() + chance.uniform(SHORTEST_S, LONGEST_S)
        began_s, index, offset = now_s(), 0, dict.fromkeys(clips, 0)
        while now_s() < until_s and not stream.ended.is_set():
            await asyncio.sleep(max(0.0, began_s + index / FPS - now_s()))
            for name, video in clips.items():
                if chance.random() < 0.005:
                    await self._join(stream, model, name, video)
                    offset[name] = index
                packet = video.packets[(index - offset[name]) % len(video.packets)]
                payload = flipped(packet.payload, chance) if chance.random() < 0.02 else packet.payload
                message = frame(name, index, index * 90_000 // FPS, payload, keyframe=packet.keyframe)
                await self._say(stream, model, Request(frame=message))
            index += 1

    async def _say(self, stream: Stream, model: StreamModel, request: Request) -> None:
        model.sent(request)
        await stream.send(request)


def _leave(name: str) -> Request:
    update = reaction_service_pb2.ParticipantUpdate(participant_id=name, leave=reaction_service_pb2.Leave())
    return Request(participant=update)
