"""The participants of a measurement's load and their streams: what is sent next, and what comes back."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from typing import Any

import grpc

from gifcue.server.capacity.footage import PLACES, Footage
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb

_METHOD = "/gifcue.v1.ReactionService/StreamReactions"
# The golden ratio's fractional part: its multiples modulo 1 are evenly spread for any number of participants.
_SPREAD = (math.sqrt(5) - 1) / 2
_ANSWER_TIMEOUT_S = 10.0


class LoadParticipant:
    """One participant. `due_s` and `moves` are by sequence number, `decided` has the times of decisions, in seconds."""

    def __init__(self, number: int, shown: Footage, start_s: float) -> None:
        self.name = f"participant-{number}"
        self.clip = shown.clip
        self._moving = shown.moving
        self.stream: LoadStream | None = None
        self.due_s: list[float] = []
        self.moves: list[bool] = []
        self.decided: dict[int, float] = {}
        # Those who begin at one place do so spread over the time to the next one.
        fps, length = shown.clip.fps, len(shown.clip.packets)
        self.next_s = start_s + (number // PLACES) * _SPREAD % 1.0 * min(1.0, length / fps / PLACES)
        self._interval_s = 1.0 / fps
        # The next packet, and what is added to the pts of packets, in ticks. A lap of the clip takes `_lap` ticks.
        self._place = shown.places[number % PLACES]
        self._lap = round(length * shown.clip.packets[0].clock_hz / fps)
        self._base = self._lap - shown.clip.packets[self._place].pts

    def take(self) -> media_pb2.Frame:
        """The next frame, which is due."""
        sequence, place = len(self.due_s), self._place
        packet = self.clip.packets[place]
        self.due_s.append(self.next_s)
        self.moves.append(self._moving is not None and self._moving[place])
        self.next_s += self._interval_s
        frame = media_pb2.Frame(
            participant_id=self.name,
            sequence=sequence,
            pts=self._base + packet.pts,
            clock_hz=packet.clock_hz,
            keyframe=packet.keyframe,
            payload=packet.payload,
        )
        self._advance()
        return frame

    def jump(self) -> None:
        """Goes on with the next keyframe, as an encoder does that is asked for one."""
        before = self._base + self.clip.packets[self._place].pts
        while not self.clip.packets[self._place].keyframe:
            self._advance()
        self._base += before - (self._base + self.clip.packets[self._place].pts)

    def _advance(self) -> None:
        self._place += 1
        if self._place == len(self.clip.packets):
            self._place = 0
            self._base += self._lap


class LoadStream:
    """One meeting: a channel with one stream."""

    def __init__(self, target: str) -> None:
        # Channels to one address share a connection otherwise, which no two media servers do.
        self._channel = grpc.aio.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),))
        self._call: Any = self._channel.stream_stream(_METHOD)()
        self.participants: dict[str, LoadParticipant] = {}
        self.labels: list[str] = []
        # Participants whose join was refused.
        self.refused: set[str] = set()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self) -> None:
        await self.send(pb.StreamReactionsRequest(config=pb.StreamConfig(send_decisions=True)))
        self._reading = asyncio.create_task(self._read())
        self.labels = list((await self._answer()).ready.reaction_labels)

    async def send(self, request: pb.StreamReactionsRequest) -> None:
        await self._call.write(request.SerializeToString())

    async def join(self, participant: LoadParticipant) -> None:
        clip = participant.clip
        codec = media_pb2.Codec.Value(f"CODEC_{clip.codec.name}")
        join = pb.Join(codec=codec, extradata=clip.extradata, allowed_labels=self.labels)
        participant.stream = self
        self.participants[participant.name] = participant
        await self._update(participant, join=join)

    async def leave(self, participant: LoadParticipant) -> None:
        await self._update(participant, leave=pb.Leave())

    async def dropped(self) -> Counter[str]:
        """Frames dropped on this stream so far, by reason."""
        await self.send(pb.StreamReactionsRequest(statistics=pb.StatisticsRequest()))
        counts: Counter[str] = Counter()
        for each in (await self._answer()).statistics.participants:
            counts.update({reason: int(count) for reason, count in each.books.dropped.items()})
        return counts

    async def close(self) -> None:
        self._call.cancel()
        self._reading.cancel()
        await self._channel.close()

    async def _update(self, participant: LoadParticipant, **update: Any) -> None:
        message = pb.ParticipantUpdate(participant_id=participant.name, **update)
        await self.send(pb.StreamReactionsRequest(participant=message))

    async def _answer(self) -> Any:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            answer = await self._answers.get()
        if isinstance(answer, str):
            raise ConnectionError(answer)
        return answer

    async def _read(self) -> None:
        try:
            async for data in self._call:
                response = pb.StreamReactionsResponse.FromString(data)
                kind = response.WhichOneof("message")
                if kind == "decision":
                    decision = response.decision
                    self.participants[decision.participant_id].decided[decision.sequence] = time.monotonic()
                elif kind == "control" and response.control.WhichOneof("control") == "keyframe":
                    self.participants[response.control.keyframe.participant_id].jump()
                elif kind == "fault" and response.fault.code == pb.FAULT_CODE_TOO_MANY_PARTICIPANTS:
                    self.refused.add(response.fault.participant_id)
                elif kind in ("ready", "statistics"):
                    self._answers.put_nowait(response)
        except grpc.aio.AioRpcError as error:
            self._answers.put_nowait(f"{error.code().name}: {error.details()}")
