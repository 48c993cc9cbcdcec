"""A media server's process that has to decode: the load of a peer, in real time, whatever the peer does.

    python -m benchmarks.peers.client PEER PLAN

reads `PLAN`, a pickled `Plan`, connects, warms, says "ready", is told when to start (a line with a time of the
monotonic clock, which is one for all processes), and answers with a line of JSON, a `Seen`. Runs in the peer's
environment.

Every frame is decoded, as H.264 demands, and every sampled one sent to be looked at. Its latency counts from the time
that it was due to the time its answer is here; being late in decoding or encoding is part of it.
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

from benchmarks.peers.pacing import Due, frames, is_sampled
from benchmarks.seats import Seat

# Frames of one participant that may wait for their answers: ten times the bound's worth at 5 a second. What comes on
# top is given up at once, as a media server would, which keeps an overload from filling the memory.
MOST_WAITING = 8
# Frames taken between two looks at what else there is to do, where this process is behind.
_YIELD_EVERY = 4


@dataclass(frozen=True)
class Footage:
    """Packets in the order of decoding, and for each whether its picture moves; None where nobody knows."""

    codec: str
    extradata: bytes
    packets: list[bytes]
    moving: list[bool] | None


@dataclass(frozen=True)
class Plan:
    """What one process does. Of every stream `rate` frames a second are sampled; with `moving_only` only those that
    differ from the one before, as a filter that costs nothing and errs never would have it. After the last frame the
    process waits `settle_s` for answers.
    """

    target: str
    footage: list[Footage]
    seats: list[Seat]
    fps: float
    rate: float
    moving_only: bool
    warm_up_s: float
    seconds: float
    jitter_ms: float
    seed: int
    settle_s: float = 3.0


@dataclass
class Seen:
    """What came of it, in the measured time. Of `offered` sampled frames those in `latencies_ms` were answered."""

    offered: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    detections: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    pss_bytes: int = 0
    by_seat: list[int] = field(default_factory=list)


class Side(Protocol):
    """The client's half of a peer. Pictures are PyAV's video frames."""

    async def open(self, target: str, seats: int) -> None: ...

    async def ask(self, seat: int, picture: Any) -> int:
        """Returns how many things were detected. Raises where there is no answer."""

    async def close(self) -> None: ...


class Decoder(Protocol):
    """One participant's."""

    def decode(self, payload: bytes) -> Any:
        """The picture, or None where the decoder holds it back."""


def open_decoder(footage: Footage) -> Decoder:
    """PyAV's, with one thread, as gifcue's own decode workers have it."""
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


class Client:
    """Runs a plan with a side that is open. `clock` is in seconds."""

    def __init__(
        self,
        plan: Plan,
        side: Side,
        decoders: Callable[[Footage], Decoder] = open_decoder,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._plan, self._side = plan, side
        self._clock, self._sleep, self._cpu = clock, sleep, cpu
        self._footage = [plan.footage[seat.footage % len(plan.footage)] for seat in plan.seats]
        self._open_decoder = decoders
        self._decoders = [decoders(footage) for footage in self._footage]
        self._waiting = [0] * len(plan.seats)
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: Counter[str] = Counter()
        self.seen = Seen(by_seat=[0] * len(plan.seats))

    async def warm(self) -> None:
        """A look at each participant's first picture, so that the first measured one waits for nothing."""
        for seat, footage in enumerate(self._footage):
            # A decoder of its own: the participant's still has to begin at the beginning.
            decoder = self._open_decoder(footage)
            pictures = (decoder.decode(payload) for payload in footage.packets)
            await self._side.ask(seat, next(picture for picture in pictures if picture is not None))

    async def run(self, start_s: float) -> Seen:
        """Offers everything from `start_s` on and returns what was seen."""
        plan = self._plan
        end_s = plan.warm_up_s + plan.seconds
        give_up_s = start_s + end_s + plan.settle_s
        cpu_before_s, is_begun = self._cpu(), False
        for number, due in enumerate(frames(plan.seats, plan.fps, end_s, plan.jitter_ms / 1000, plan.seed)):
            is_measured = due.due_s >= plan.warm_up_s
            is_asked = self._is_asked(due)
            self.seen.offered += is_asked and is_measured
            wait_s = start_s + due.due_s - self._clock()
            if self._clock() > give_up_s:
                continue  # only to count what was offered
            if wait_s > 0 or number % _YIELD_EVERY == 0:
                await self._sleep(max(0.0, wait_s))
            if is_measured and not is_begun:
                cpu_before_s, is_begun = self._cpu(), True
            payloads = self._footage[due.seat].packets
            picture = self._decoders[due.seat].decode(payloads[due.index % len(payloads)])
            if is_measured:
                self.seen.late_ms.append((self._clock() - start_s - due.due_s) * 1000.0)
            if is_asked and picture is not None:
                self._start(due, start_s + due.due_s, picture, is_measured)
        self.seen.cpu_s = self._cpu() - cpu_before_s
        await self._settle(give_up_s)
        self.seen.faults = dict(self._faults)
        return self.seen

    def _is_asked(self, due: Due) -> bool:
        moving = self._footage[due.seat].moving if self._plan.moving_only else None
        moves = moving is None or moving[due.index % len(moving)]
        return moves and is_sampled(due.index, self._plan.fps, self._plan.rate)

    def _start(self, due: Due, due_s: float, picture: Any, is_measured: bool) -> None:
        if self._waiting[due.seat] >= MOST_WAITING:
            self._faults["given up"] += is_measured
            return
        self._waiting[due.seat] += 1
        task = asyncio.create_task(self._ask(due.seat, due_s, picture, is_measured))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, seat: int, due_s: float, picture: Any, is_measured: bool) -> None:
        try:
            found = await self._side.ask(seat, picture)
        except Exception as error:  # a library's own: whatever it is, this frame has no answer
            self._faults[f"{type(error).__name__}: {error}"[:200]] += is_measured
        else:
            if is_measured:
                self.seen.latencies_ms.append((self._clock() - due_s) * 1000.0)
                self.seen.detections += found
                self.seen.by_seat[seat] += 1
        finally:
            self._waiting[seat] -= 1

    async def _settle(self, until_s: float) -> None:
        """Waits for what is still to come; what does not is given up."""
        timer = asyncio.ensure_future(self._sleep(max(0.0, until_s - self._clock())))
        while self._tasks and not timer.done():
            await asyncio.wait({*self._tasks, timer}, return_when=asyncio.FIRST_COMPLETED)
        left = {timer, *self._tasks}
        for task in left:
            task.cancel()
        await asyncio.wait(left)


def side_of(peer: str) -> Side:
    """The client's half, from its own module, which imports the peer's library."""
    module = importlib.import_module(f"benchmarks.peers.{peer.replace('-', '_')}_side")
    side: Side = module.open_side()
    return side


async def _work(peer: str, plan: Plan, say: Callable[[str], None]) -> None:
    import psutil

    side = side_of(peer)
    await side.open(plan.target, len(plan.seats))
    try:
        client = Client(plan, side)
        await client.warm()
        say("ready")
        start_s = float(await asyncio.to_thread(sys.stdin.readline))
        seen = await client.run(start_s)
        seen.pss_bytes = psutil.Process().memory_full_info().pss
        say(json.dumps(asdict(seen)))
    finally:
        await side.close()


def main() -> None:
    """A process' life."""
    peer, path = sys.argv[1:]
    plan: Plan = pickle.loads(Path(path).read_bytes())
    # What a library prints for itself must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line: str) -> None:
        print(line, file=answers, flush=True)

    asyncio.run(_work(peer, plan, say))


if __name__ == "__main__":
    # Under its full name: a pickled plan names this module, and must find the same classes.
    from benchmarks.peers import client

    client.main()
