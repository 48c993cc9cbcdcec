"""A load generator for a peer: a media server that decodes in real time, independently of the peer's speed.

    python -m benchmarks.peers.client PEER PLAN

reads `PLAN`, a pickled `Plan`, connects, warms up and prints "ready". It then reads a line with the start time on the
monotonic clock, which all processes share, and prints a `ClientResult` as a line of JSON. It runs in the peer's
environment.

Every frame is decoded, as H.264 requires, and every sampled frame is sent for detection. Latency is the time from the
due time of a frame to the arrival of its answer. Delays of decoding and encoding are part of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.participants import Participant
from benchmarks.peers.pacing import Due, frames, is_sampled

# Frames of one participant that may wait for answers: ten times as many as arrive within the bound at 5 frames per
# second. Further frames are given up at once, as a media server would, so that an overload does not fill the memory.
MAX_PENDING = 8
# While this process is behind schedule: frames decoded before other tasks run.
_YIELD_EVERY = 4


@dataclass(frozen=True)
class Footage:
    """Packets in decoding order, and for each whether its picture is in motion; None if unknown."""

    codec: str
    extradata: bytes
    packets: list[bytes]
    moving: list[bool] | None


@dataclass(frozen=True)
class Plan:
    """The work of one process.

    `rate` frames per second of every stream are sampled, with `moving_only` only those in motion, as a filter without
    cost and errors would select them. After the last frame the process waits up to `settle_s` for answers.
    """

    target: str
    footage: list[Footage]
    participants: list[Participant]
    fps: float
    rate: float
    moving_only: bool
    warm_up_s: float
    seconds: float
    jitter_ms: float
    seed: int
    settle_s: float = 3.0


@dataclass
class ClientResult:
    """The results of the measured time. Of `offered` sampled frames those in `latencies_ms` were answered."""

    offered: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    detections: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    pss_bytes: int = 0
    by_participant: list[int] = field(default_factory=list)


class PeerClient(Protocol):
    """The client of a peer. Pictures are PyAV video frames."""

    async def open(self, target: str, participants: int) -> None: ...

    async def detect(self, participant: int, picture: Any) -> int:
        """Returns the number of detections. Raises any exception if there is no answer."""

    async def close(self) -> None: ...


class Decoder(Protocol):
    """The decoder of one participant."""

    def decode(self, payload: bytes) -> Any:
        """The picture, or None if the decoder buffers it."""


def open_decoder(footage: Footage) -> Decoder:
    """A PyAV decoder with one thread, as in gifcue's decode workers."""
    import av

    context: Any = av.CodecContext.create(footage.codec, "r")
    context.thread_count = 1
    if footage.extradata:
        context.extradata = footage.extradata

    class Opened:
        def decode(self, payload: bytes) -> Any:
            pictures = context.decode(av.Packet(payload))
            return pictures[-1] if pictures else None

    return Opened()


class LoadGenerator:
    """Runs a plan with the open client of a peer. `clock` is in seconds."""

    def __init__(
        self,
        plan: Plan,
        peer: PeerClient,
        decoders: Callable[[Footage], Decoder] = open_decoder,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._plan, self._peer = plan, peer
        self._clock, self._sleep, self._cpu = clock, sleep, cpu
        self._footage = [
            plan.footage[participant.footage % len(plan.footage)] for participant in plan.participants
        ]
        self._open_decoder = decoders
        self._decoders = [decoders(footage) for footage in self._footage]
        self._pending = [0] * len(plan.participants)
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: Counter[str] = Counter()
        self.result = ClientResult(by_participant=[0] * len(plan.participants))

    async def warm(self) -> None:
        """Requests a detection for each participant's first picture, so that no measured frame waits for a start-up."""
        for participant, footage in enumerate(self._footage):
            # A separate decoder: the participant's own decoder must start with the first packet.
            decoder = self._open_decoder(footage)
            pictures = (decoder.decode(payload) for payload in footage.packets)
            await self._peer.detect(participant, next(picture for picture in pictures if picture is not None))

    async def run(self, start_s: float) -> ClientResult:
        """Offers all frames from `start_s` and returns the results."""
        plan = self._plan
        end_s = plan.warm_up_s + plan.seconds
        give_up_s = start_s + end_s + plan.settle_s
        cpu_before_s, is_begun = self._cpu(), False
        for number, due in enumerate(
            frames(plan.participants, plan.fps, end_s, plan.jitter_ms / 1000, plan.seed)
        ):
            is_measured = due.due_s >= plan.warm_up_s
            sampled = self._is_sampled(due)
            self.result.offered += sampled and is_measured
            wait_s = start_s + due.due_s - self._clock()
            if self._clock() > give_up_s:
                continue  # only count the offered frames
            if wait_s > 0 or number % _YIELD_EVERY == 0:
                await self._sleep(max(0.0, wait_s))
            if is_measured and not is_begun:
                cpu_before_s, is_begun = self._cpu(), True
            payloads = self._footage[due.participant].packets
            picture = self._decoders[due.participant].decode(payloads[due.index % len(payloads)])
            if is_measured:
                self.result.late_ms.append((self._clock() - start_s - due.due_s) * 1000.0)
            if sampled and picture is not None:
                self._start(due, start_s + due.due_s, picture, is_measured)
        self.result.cpu_s = self._cpu() - cpu_before_s
        await self._settle(give_up_s)
        self.result.faults = dict(self._faults)
        return self.result

    def _is_sampled(self, due: Due) -> bool:
        moving = self._footage[due.participant].moving if self._plan.moving_only else None
        moves = moving is None or moving[due.index % len(moving)]
        return moves and is_sampled(due.index, self._plan.fps, self._plan.rate)

    def _start(self, due: Due, due_s: float, picture: Any, is_measured: bool) -> None:
        if self._pending[due.participant] >= MAX_PENDING:
            self._faults["given up"] += is_measured
            return
        self._pending[due.participant] += 1
        task = asyncio.create_task(self._request(due.participant, due_s, picture, is_measured))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, participant: int, due_s: float, picture: Any, is_measured: bool) -> None:
        try:
            found = await self._peer.detect(participant, picture)
        except Exception as error:  # of any library: this frame has no answer
            self._faults[f"{type(error).__name__}: {error}"[:200]] += is_measured
        else:
            if is_measured:
                self.result.latencies_ms.append((self._clock() - due_s) * 1000.0)
                self.result.detections += found
                self.result.by_participant[participant] += 1
        finally:
            self._pending[participant] -= 1

    async def _settle(self, until_s: float) -> None:
        """Waits for outstanding answers until `until_s`, then cancels the rest."""
        timer = asyncio.ensure_future(self._sleep(max(0.0, until_s - self._clock())))
        while self._tasks and not timer.done():
            await asyncio.wait({*self._tasks, timer}, return_when=asyncio.FIRST_COMPLETED)
        left = {timer, *self._tasks}
        for task in left:
            task.cancel()
        await asyncio.wait(left)


def open_peer_client(peer: str) -> PeerClient:
    """The client of the named peer, from its module, which imports the peer's library."""
    module = importlib.import_module(f"benchmarks.peers.{peer.replace('-', '_')}_client")
    client: PeerClient = module.open_client()
    return client


async def _work(peer: str, plan: Plan, answer: Callable[[str], None]) -> None:
    import psutil

    client = open_peer_client(peer)
    await client.open(plan.target, len(plan.participants))
    try:
        generator = LoadGenerator(plan, client)
        await generator.warm()
        answer("ready")
        start_s = float(await asyncio.to_thread(sys.stdin.readline))
        result = await generator.run(start_s)
        result.pss_bytes = psutil.Process().memory_full_info().pss
        answer(json.dumps(asdict(result)))
    finally:
        await client.close()


def main() -> None:
    """Runs the process."""
    peer, path = sys.argv[1:]
    plan: Plan = pickle.loads(Path(path).read_bytes())
    # Output of a library must not be mistaken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(line: str) -> None:
        print(line, file=answers, flush=True)

    asyncio.run(_work(peer, plan, answer))


if __name__ == "__main__":
    # Imported under its full name, because the pickled plan refers to the classes by that name.
    from benchmarks.peers import client

    client.main()
