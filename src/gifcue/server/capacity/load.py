"""The load generator of a measurement: participants that stream in real time, in a process of its own.

The due time of each frame follows from the clock alone: a server that falls behind does not slow the load down. Latency
counts from the due time to the arrival of the decision.

The process reads a line of JSON for each step from stdin and answers it with a line on stdout. `Offer` is the first
line, `Step` each further one; the answers are "ready" and `StepResult`.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gifcue.percentiles import percentile_of
from gifcue.server.capacity.footage import PLACES, bundled_footage, footage_of
from gifcue.server.capacity.load_stream import LoadParticipant, LoadStream
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb

# A media server sends what becomes due within this time as one message. The wait counts as latency.
GATHER_S = 0.005
# Participants of one meeting, which has a stream of its own.
ON_A_STREAM = 32
# Seconds between two looks whether a step has already failed, and how many times the bound shows it.
_LOOK_S = 0.5
_HOPELESS = 2.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What is streamed, and where to."""

    target: str
    bound_ms: float
    # A file; None: the clip that comes with gifcue.
    clip: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """So many participants; `settle_s` seconds are not measured, `seconds` after them are."""

    participants: int
    settle_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step measured. Frames that are skipped as paced or similar need no decision.

    `dropped` counts frames by the server's reasons, `refused_joins` also those before the measured time. `late_p95_ms`
    is how late the generator itself was. `least_analysed_s` is the lowest rate of a participant: analyses a second
    while it moved; None where none moved for a second.
    """

    participants: int
    seconds: float
    offered: int
    decided: int
    p50_ms: float | None
    p95_ms: float | None
    late_p95_ms: float
    least_analysed_s: float | None
    dropped: dict[str, int] = field(default_factory=dict)
    refused_joins: int = 0
    cut_short: bool = False


class Generator:
    """Streams, and measures what comes of it."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._shown = bundled_footage() if offer.clip is None else footage_of(Path(offer.clip))
        self._streams: list[LoadStream] = []
        self._sending: list[LoadParticipant] = []
        self._count = 0
        self._late_s: list[float] = []

    async def run(self, step: Step) -> StepResult:
        """Changes the number of participants and measures."""
        refused_before = self._refused_count
        await self._change(step.participants)
        await self._send_until(time.monotonic() + step.settle_s)
        before = await self._dropped()
        self._late_s.clear()
        begin_s = time.monotonic()
        cut_short = False
        while not cut_short and (left_s := begin_s + step.seconds - time.monotonic()) > 0:
            await self._send_until(time.monotonic() + min(left_s, _LOOK_S))
            p95_ms = percentile_of(self._latencies_ms(begin_s), 0.95)
            cut_short = p95_ms is not None and p95_ms > _HOPELESS * self._offer.bound_ms
        end_s = time.monotonic()
        # What was sent last has its decision by then, or is late.
        await self._send_until(end_s + self._offer.bound_ms / 1000)
        dropped = await self._dropped() - before
        refused = self._refused_count - refused_before
        return self._result(step.participants, begin_s, end_s, dropped, refused, cut_short)

    async def close(self) -> None:
        """Ends the streams."""
        for stream in self._streams:
            await stream.close()

    async def _change(self, count: int) -> None:
        refused = {name for stream in self._streams for name in stream.refused}
        self._sending = [each for each in self._sending if each.name not in refused]
        while len(self._sending) > count:
            leaving = self._sending.pop()
            assert leaving.stream is not None, "expected a participant that has joined"
            await leaving.stream.leave(leaving)
        while len(self._streams) * ON_A_STREAM < count:
            stream = LoadStream(self._offer.target)
            await stream.open()
            self._streams.append(stream)
        now_s = time.monotonic()
        for place in range(len(self._sending), count):
            # A name is never used again: frames of the one before may still be in flight.
            joining = LoadParticipant(self._count * PLACES + place % PLACES, self._shown, now_s)
            self._count += 1
            await self._streams[place % len(self._streams)].join(joining)
            self._sending.append(joining)

    async def _send_until(self, until_s: float) -> None:
        while (now_s := time.monotonic()) < until_s:
            gathered: dict[LoadStream, list[media_pb2.Frame]] = {}
            for participant in self._sending:
                while participant.next_s <= now_s:
                    self._late_s.append(now_s - participant.next_s)
                    assert participant.stream is not None, "expected a participant that has joined"
                    gathered.setdefault(participant.stream, []).append(participant.take())
            for stream, frames in gathered.items():
                await stream.send(pb.StreamReactionsRequest(frames=pb.Frames(frames=frames)))
            await asyncio.sleep(max(0.0, now_s + GATHER_S - time.monotonic()))

    @property
    def _refused_count(self) -> int:
        return sum(len(stream.refused) for stream in self._streams)

    async def _dropped(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for stream in self._streams:
            counts.update(await stream.dropped())
        return counts

    def _latencies_ms(self, begin_s: float, end_s: float = math.inf) -> list[float]:
        """Of the decisions on frames that were due in that time."""
        return [
            (at_s - due_s) * 1000
            for each in self._sending
            for sequence, at_s in each.decided.items()
            if begin_s <= (due_s := each.due_s[sequence]) < end_s
        ]

    def _result(
        self,
        count: int,
        begin_s: float,
        end_s: float,
        dropped: Counter[str],
        refused: int,
        cut_short: bool,
    ) -> StepResult:
        latencies_ms = self._latencies_ms(begin_s, end_s)
        rates: list[float] = []
        offered = 0
        for each in self._sending:
            within = [number for number, due_s in enumerate(each.due_s) if begin_s <= due_s < end_s]
            offered += len(within)
            moved = [number for number in within if each.moves[number]]
            moved_s = len(moved) / self._shown.clip.fps
            if moved_s >= 1.0:
                rates.append(sum(number in each.decided for number in moved) / moved_s)
        late_ms = percentile_of([late * 1000 for late in self._late_s], 0.95)
        return StepResult(
            count,
            round(end_s - begin_s, 2),
            offered,
            len(latencies_ms),
            _rounded(percentile_of(latencies_ms, 0.5)),
            _rounded(percentile_of(latencies_ms, 0.95)),
            _rounded(late_ms) or 0.0,
            _rounded(min(rates, default=None)),
            dict(dropped),
            refused,
            cut_short,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


async def _main() -> None:
    lines = sys.stdin
    generator = Generator(Offer(**json.loads(lines.readline())))
    print(json.dumps("ready"), flush=True)
    try:
        while line := await asyncio.to_thread(lines.readline):
            result = await generator.run(Step(**json.loads(line)))
            print(json.dumps(asdict(result)), flush=True)
    finally:
        await generator.close()


if __name__ == "__main__":
    asyncio.run(_main())
