"""The process of a bystander: `python -m tests.chaos.sender TARGET NAME`.

Streams until its standard input ends. Says on its standard output what happens, one JSON object a line: each decision
with its time and latency, each end of a stream, and at last what was against the model. It is a process of its own, so
that the work of attackers in the harness does not count as latency of the server. Times are those of CLOCK_MONOTONIC,
which all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc

from gifcue.v1 import reaction_service_pb2
from tests.chaos.clip import FPS, own_clip
from tests.chaos.streams import Request, Response, Stream, frame, join, now_s
from tests.support.stream_model import StreamModel, Violations

# A decision that came later than this counts as one that never came.
NEVER_S = 60.0
# How long the frames in flight at the end may take.
SETTLE_S = 10.0


class Sender:
    """Sends the clip in real time on a stream of its own. `say` is called with what happens."""

    def __init__(self, target: str, name: str, say: Callable[[dict[str, Any]], None]) -> None:
        self._target = target
        self._name = name
        self._say = say
        self._model = StreamModel()
        self._violations = Violations()
        self._faults: Counter[str] = Counter()
        self._accounted_streams = 0
        self._sent_s: dict[int, float] = {}
        self._sequence = 0
        self._stop = False
        self._jump = False
        self._answered = asyncio.Event()

    def stop(self) -> None:
        """Sends no more, asks for the outcome of every frame and ends the stream."""
        self._stop = True

    async def run(self) -> None:
        """Streams until `stop`, and then says what came of it."""
        while not self._stop:
            self._model = StreamModel()
            self._answered.clear()
            async with Stream(self._target, room_id=self._name, on_response=self._hear) as stream:
                await self._stream(stream)
                if stream.ended.is_set() and not self._stop:
                    self._say({"ending": stream.status.name if stream.status else "none"})
            self._model.ended(is_ok=stream.status is grpc.StatusCode.OK)
            self._violations.extend(self._model.violations)
            self._faults.update(self._model.faults)
            if not self._stop:
                await asyncio.sleep(0.1)
        self._say(
            {
                "violations": {"texts": self._violations.texts, "count": self._violations.count},
                "accounted_streams": self._accounted_streams,
                "faults": dict(self._faults),
            }
        )

    async def _stream(self, stream: Stream) -> None:
        clip = own_clip()
        self._say({"joined_s": now_s()})
        if not await self._send(stream, join(self._name, "H264", clip.extradata)):
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
            self._sent_s[self._sequence] = now_s()
            message = frame(
                self._name, self._sequence, index * 90_000 // FPS, packet.payload, keyframe=packet.keyframe
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
                self._accounted_streams += 1
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
                sent_s = self._sent_s.pop(response.decision.sequence, None)
                if sent_s is not None:
                    self._say({"decided_s": at_s, "latency_s": min(NEVER_S, at_s - sent_s)})
            case "control":
                self._jump = self._jump or response.control.WhichOneof("control") == "keyframe"
            case "statistics":
                self._answered.set()
            case _:
                pass


async def _main(target: str, name: str) -> None:
    sender = Sender(target, name, lambda line: print(json.dumps(line), flush=True))
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), sender.stop)
    await sender.run()


if __name__ == "__main__":
    own_clip()
    asyncio.run(_main(*sys.argv[1:]))
